//! What goes wrong and who changes their mind, picked by the seed.
//!
//! Nothing here waits for Drey, except at calm moments, which let the job make progress. A frozen process is thawed by
//! a thread of its own, a dead server restarted when its time has come, and a wish that the server did not accept is
//! asked for again.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, Signal, send, text, with_args};
use crate::processes::{self, Role};
use crate::random::Random;
use crate::witness::{self, Witness};

/// The one Deployment.
pub(crate) const NAME: &str = "chaos";
/// Between two looks of the loop.
const TICK: Duration = Duration::from_millis(50);
/// The longest calm moment: enough for a start, not for the longest pause that chaos brings about.
const CALM: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(500);

const FAULTS: [&str; 12] = [
    "before-record",
    "after-record",
    "before-effect:ensure-cluster",
    "after-effect:ensure-cluster",
    "before-effect:stop",
    "after-effect:stop",
    "before-effect:savepoint",
    "after-effect:savepoint",
    "before-effect:cancel",
    "after-effect:cancel",
    "before-effect:remove-cluster",
    "after-effect:remove-cluster",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mishap {
    KillServer,
    FreezeServer,
    FaultServer,
    KillJobManager,
    FreezeJobManager,
    KillTaskManager,
    FreezeTaskManager,
    Upgrade,
    UpgradeTwice,
    UpgradeStateless,
    Suspend,
    Cancel,
    Savepoint,
    Label,
}

const MISHAPS: [Mishap; 14] = [
    Mishap::KillServer,
    Mishap::FreezeServer,
    Mishap::FaultServer,
    Mishap::KillJobManager,
    Mishap::FreezeJobManager,
    Mishap::KillTaskManager,
    Mishap::FreezeTaskManager,
    Mishap::Upgrade,
    Mishap::UpgradeTwice,
    Mishap::UpgradeStateless,
    Mishap::Suspend,
    Mishap::Cancel,
    Mishap::Savepoint,
    Mishap::Label,
];

/// The program's arguments; the journal is the proof.
pub(crate) fn args(rate: u64) -> String {
    format!("--rate {rate} --journal-ms 100")
}

/// Everything that goes on.
pub(crate) struct Chaos<'a> {
    server: &'a mut Server,
    witness: &'a Witness,
    random: Random,
    /// What is still to come before everything may come again.
    deck: Vec<Mishap>,
    data_dir: PathBuf,
    begin: Instant,
    /// Changes that the server has to accept, when their time has come.
    wishes: VecDeque<(Instant, Value)>,
    /// When the dead server comes back, and what it is to die of next.
    restart: Option<(Instant, Option<String>)>,
    thaws: Vec<JoinHandle<()>>,
    pub(crate) story: Vec<String>,
    pub(crate) counts: BTreeMap<String, u32>,
    /// Reasons why the Deployment was FAILED and needed a person.
    pub(crate) failures: Vec<String>,
}

impl<'a> Chaos<'a> {
    pub(crate) fn new(server: &'a mut Server, witness: &'a Witness, random: Random) -> Self {
        Self {
            data_dir: server.data_dir(),
            server,
            witness,
            random,
            deck: Vec::new(),
            begin: Instant::now(),
            wishes: VecDeque::new(),
            restart: None,
            thaws: Vec::new(),
            story: Vec::new(),
            counts: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// One mishap after the other until the time is up; then everything is thawed and runs.
    pub(crate) fn rage(&mut self, time: Duration) {
        let end = self.begin + time;
        while Instant::now() < end {
            let mishap = self.draw();
            if !self.bring_about(mishap) {
                // Nobody is there to whom it could happen: later.
                self.deck.insert(0, mishap);
                self.tick(TICK, end);
                continue;
            }
            *self.counts.entry(format!("{mishap:?}")).or_default() += 1;
            if self.random.percent(40) {
                self.calm(end);
            } else {
                let pause = self.random.millis(100, 4000);
                self.tick(pause, end);
            }
        }
        for thaw in self.thaws.drain(..) {
            let _ = thaw.join();
        }
        self.tell("the time is up");
    }

    /// One after the other in random order, so that a short run has all of them.
    fn draw(&mut self) -> Mishap {
        if self.deck.is_empty() {
            self.deck.extend(MISHAPS);
        }
        let last = u64::try_from(self.deck.len()).unwrap() - 1;
        self.deck.swap_remove(usize::try_from(self.random.number(0, last)).unwrap())
    }

    fn tell(&mut self, what: &str) {
        let line = format!("{:>7.1} s  {what}", self.begin.elapsed().as_secs_f64());
        println!("{line}");
        self.story.push(line);
    }

    /// Goes on for a while with what is due.
    fn tick(&mut self, pause: Duration, end: Instant) {
        let until = (Instant::now() + pause).min(end);
        loop {
            self.do_what_is_due();
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(TICK);
        }
    }

    /// Waits for a running job with a new checkpoint, for a while.
    fn calm(&mut self, end: Instant) {
        let until = (Instant::now() + CALM).min(end);
        let since = witness::now();
        while Instant::now() < until {
            self.tick(POLL, until);
            let deployment = self.server.deployment(NAME);
            let state = text(&deployment, "/status/state");
            let has_wishes = !self.wishes.is_empty() || self.restart.is_some();
            if state == "FAILED" && !has_wishes {
                self.help(&deployment);
            }
            let seen = self.witness.seen();
            let has_counted = seen
                .completed
                .iter()
                .any(|((job, _), at)| *at > since && seen.running.contains(job));
            if state == "RUNNING" && !has_wishes && has_counted {
                return self.tell("calm: RUNNING, and a new checkpoint");
            }
        }
        let explained =
            self.server.try_get(&format!("/ext/v1/namespaces/default/deployments/{NAME}"));
        let explanation = &explained["explanation"];
        self.tell(&format!(
            "calm: none within its time: {}, waits: {}",
            explanation["summary"], explanation["wait"]
        ));
    }

    /// What a person does about a FAILED Deployment.
    fn help(&mut self, deployment: &Value) {
        let failure = deployment["status"]["failure"].to_string();
        let failure = if failure == "null" { deployment["status"].to_string() } else { failure };
        self.tell(&format!("FAILED, helped by an edit: {failure}"));
        self.failures.push(failure);
        let rate = self.rate();
        self.wish(Duration::ZERO, edit(rate, "STATEFUL", Some("RUNNING")));
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        if let Some((_, fault)) = self.restart.take_if(|(at, _)| *at <= now) {
            let listens = self.server.run(fault.as_deref());
            self.tell(&format!(
                "server started, to die of {}: listens {listens}",
                fault.as_deref().unwrap_or("nothing")
            ));
        }
        if self.restart.is_none() && self.server.has_died() {
            self.tell("the server is dead");
            self.restart_later(30);
        }
        if let Some((at, wish)) = self.wishes.front().filter(|_| self.restart.is_none()).cloned()
            && at <= now
            && self.server.try_patch(NAME, &wish)
        {
            self.wishes.pop_front();
            self.tell(&format!("accepted: {wish}"));
        }
    }

    fn restart_later(&mut self, chance_of_fault: u64) {
        let at = Instant::now() + self.random.millis(0, 5000);
        let fault = self.random.percent(chance_of_fault).then(|| {
            let point = *self.random.pick(&FAULTS);
            format!("{point}#{}", self.random.number(1, 2))
        });
        self.restart = Some((at, fault));
    }

    fn wish(&mut self, delay: Duration, change: Value) {
        self.wishes.push_back((Instant::now() + delay, change));
    }

    fn rate(&mut self) -> u64 {
        self.random.number(800, 3000)
    }

    /// Says whether there was somebody whom it could happen to.
    fn bring_about(&mut self, mishap: Mishap) -> bool {
        match mishap {
            Mishap::KillServer | Mishap::FaultServer => {
                if self.restart.is_some() {
                    return false;
                }
                self.tell(&format!("{mishap:?}"));
                self.server.kill();
                self.restart_later(if mishap == Mishap::FaultServer { 100 } else { 0 });
                true
            }
            Mishap::FreezeServer => self.freeze(Role::Server, 5000),
            Mishap::KillJobManager => self.kill(Role::JobManager),
            Mishap::FreezeJobManager => self.freeze(Role::JobManager, 15_000),
            Mishap::KillTaskManager => self.kill(Role::TaskManager),
            Mishap::FreezeTaskManager => self.freeze(Role::TaskManager, 15_000),
            Mishap::Upgrade | Mishap::UpgradeTwice | Mishap::UpgradeStateless => {
                let strategy =
                    if mishap == Mishap::UpgradeStateless { "STATELESS" } else { "STATEFUL" };
                let rate = self.rate();
                self.wish(Duration::ZERO, edit(rate, strategy, None));
                if mishap == Mishap::UpgradeTwice {
                    let (pause, rate) = (self.random.millis(0, 1500), self.rate());
                    self.wish(pause, edit(rate, strategy, None));
                }
                true
            }
            Mishap::Suspend | Mishap::Cancel => {
                let state = if mishap == Mishap::Suspend { "SUSPENDED" } else { "CANCELLED" };
                self.wish(Duration::ZERO, json!({ "spec": { "state": state } }));
                let pause = self.random.millis(500, 15_000);
                self.wish(pause, json!({ "spec": { "state": "RUNNING" } }));
                true
            }
            Mishap::Savepoint => {
                let accepted = self.restart.is_none() && self.server.try_take_savepoint(NAME);
                if accepted {
                    self.tell("a savepoint was asked for");
                }
                accepted
            }
            Mishap::Label => {
                let number = self.random.number(1, 1000).to_string();
                self.wish(Duration::ZERO, json!({ "metadata": { "labels": { "chaos": number } } }));
                true
            }
        }
    }

    fn victim(&mut self, role: Role) -> Option<processes::Process> {
        let all = processes::playing(&self.data_dir, role);
        (!all.is_empty()).then(|| self.random.pick(&all).clone())
    }

    fn kill(&mut self, role: Role) -> bool {
        let Some(victim) = self.victim(role) else { return false };
        self.tell(&format!("kill -9 {role:?} {}", victim.pid));
        send(victim.pid, Signal::KILL);
        true
    }

    fn freeze(&mut self, role: Role, millis_max: u64) -> bool {
        let Some(victim) = self.victim(role).filter(|victim| !victim.is_stopped) else {
            return false;
        };
        let time = self.random.millis(1000, millis_max);
        self.tell(&format!("SIGSTOP {role:?} {} for {:.1} s", victim.pid, time.as_secs_f64()));
        send(victim.pid, Signal::STOP);
        self.thaws.push(std::thread::spawn(move || {
            std::thread::sleep(time);
            send(victim.pid, Signal::CONT);
        }));
        true
    }

    /// A server without faults, and RUNNING wanted with arguments that are returned; `None`: it refuses.
    pub(crate) fn make_peace(&mut self) -> Option<String> {
        self.restart = None;
        self.wishes.clear();
        let rate = self.rate();
        let accepted = self.server.run(None)
            && self.server.try_patch(NAME, &edit(rate, "STATEFUL", Some("RUNNING")));
        accepted.then(|| args(rate))
    }
}

/// A change of the program's arguments, and of how it is to be carried out.
fn edit(rate: u64, strategy: &str, state: Option<&str>) -> Value {
    let mut change = with_args(&args(rate));
    change["spec"]["upgradeStrategy"] = json!({ "kind": strategy });
    if let Some(state) = state {
        change["spec"]["state"] = json!(state);
    }
    change
}
