//! From a PATCH to the first thing that happens on the Flink side because of it.
//!
//! Starting: until the JobManager's process runs. Upgrading: until Flink is asked to stop the old job. The fakes note
//! the time themselves, so nothing of the bench lies in between. Beside Flinks that hang, the same must take as long.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::{FAKE_CLASS, Setting, stable};
use crate::clock::ms_between;
use crate::documents;
use crate::fake::JavaHome;
use crate::fake::control::{Diary, Effect, Mode};
use crate::report::Row;
use crate::server::{Data, Server};
use crate::stats::Sample;

/// The Flinks that hang.
const HANGING: usize = 60;
/// "Unchanged".
const RATIO_MAX: f64 = 1.2;
/// Until the silence has been noticed and written down: Drey calls a Flink unreachable after 10 s.
const SETTLE: Duration = Duration::from_secs(20);
/// Between two rounds; not a multiple of anything that Drey does regularly.
const PAUSE: Duration = Duration::from_millis(370);
const NAME: &str = "observed";

/// The Deployment whose effects are timed.
struct Observed {
    diary: Diary,
    job: String,
    round: u32,
}

impl Observed {
    fn declare(server: &mut Server, home: &JavaHome) -> Result<Self> {
        let diary = Diary::at(home.path().join("diary"));
        let document = documents::deployment(NAME, &home.jar(), FAKE_CLASS, &diary.argument());
        server.create(&document)?;
        Ok(Self { diary, job: String::new(), round: 0 })
    }

    /// From PATCH `RUNNING` to the JobManager's first instruction, in ms.
    fn start(&mut self, server: &mut Server) -> Result<f64> {
        let sent = server.patch(NAME, &documents::state("RUNNING"))?;
        let began = self.diary.first(Effect::Start, sent)?;
        self.job = server.running_job(NAME, "")?;
        Ok(ms_between(sent, began))
    }

    fn cancel(&mut self, server: &mut Server) -> Result<()> {
        server.patch(NAME, &documents::state("CANCELLED"))?;
        server.wait_for_state(NAME, "CANCELLED")
    }

    /// From a PATCH of the arguments to the request to stop the old job, in ms; waits for the new one.
    fn upgrade(&mut self, server: &mut Server) -> Result<f64> {
        sleep(PAUSE);
        self.round += 1;
        let args = format!("{} --round {}", self.diary.argument(), self.round);
        let sent = server.patch(NAME, &documents::with_args(&args))?;
        let asked = self.diary.first(Effect::End, sent)?;
        self.job = server.running_job(NAME, &self.job)?;
        Ok(ms_between(sent, asked))
    }
}

/// One Deployment among others that are at peace.
pub(crate) fn patch(setting: &Setting) -> Result<Vec<Row>> {
    let (home, data) = (JavaHome::create()?, Data::new()?);
    let mut server = Server::start(setting, &data, Some(&home))?;
    let mut observed = Observed::declare(&mut server, &home)?;
    let (mut starts, mut stops) = (Sample::default(), Sample::default());
    for _ in 0..setting.pick(20, 5) {
        starts.0.push(observed.start(&mut server)?);
        stops.0.push(observed.upgrade(&mut server)?);
        observed.cancel(&mut server)?;
    }
    let peer = "440 ms (10 clusters), 1,190 ms (200)";
    Ok(vec![
        Row::plain("PATCH to the request to stop (upgrade)", &stops, "ms").peer(peer),
        Row::plain("PATCH to the JobManager's process (start)", &starts, "ms"),
    ])
}

/// The same beside many that hang, in turns with the same many that answer.
pub(crate) fn silent(setting: &Setting) -> Result<Vec<Row>> {
    let (home, data) = (JavaHome::create()?, Data::new()?);
    let mut server = Server::start(setting, &data, Some(&home))?;
    let mut others = stable::running(&mut server, &home, HANGING)?;
    let mut observed = Observed::declare(&mut server, &home)?;
    observed.start(&mut server)?;
    let modes = [Mode::Normal, Mode::Silent, Mode::AllButOne];
    let mut samples = [const { Sample(Vec::new()) }; 3];
    for _ in 0..setting.pick(3, 1) {
        for (mode, sample) in modes.into_iter().zip(&mut samples) {
            for other in &mut others {
                other.set(mode)?;
            }
            sleep(SETTLE);
            for _ in 0..setting.pick(12, 5) {
                sample.0.push(observed.upgrade(&mut server)?);
            }
        }
    }
    let [normal, silent, one] = samples;
    let never = "never within 150 s";
    Ok(vec![
        Row::plain("PATCH to stop beside 60 that answer", &normal, "ms"),
        Row::beside("… beside 60 that accept and never answer", &silent, "ms", &normal, RATIO_MAX)
            .peer("90 ms with 60, 10,700 ms with 150"),
        Row::beside("… beside 60 that answer all but /checkpoints", &one, "ms", &normal, RATIO_MAX)
            .peer(never),
    ])
}
