//! The submission of a Job to a cluster that it shares: one Flink job, whatever becomes of the requests
//! (platform API reference §3.8; seed 001, "Session Mode").
//!
//! ```text
//!   program at hand ─► chosen ─► recorded, unless this very decision cancels the Job ─► sent
//!                                                                                         ├─ accepted ─► start.rs
//!                        ended ◄── asked again soon ◄─ never left, or postponed ◄─────────┤
//!                          ▲                                                              ├─ refused ─► ended
//!                          └── deadline ◄── its id tells, asked once more at half time ◄──┴─ no answer
//! ```
//!
//! Flink runs `main()` before the job exists, and nobody can call a `main()` back. So silence means that the job may
//! appear: the Job is not gone before it has had time for that ([`has_outlasted`]), and is watched until its cluster
//! ends even then ([`crate::session`]). Each further request may run `main()` once more beside the first, so there are few.
//!
//! Owns requests and what their answers mean. Does not own where a Job may start, nor when it is gone.

use drey_model::meta::SUBMISSION_TIMEOUT;
use drey_model::seen::{Program, Seen};
use drey_model::{EventName, JobState};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::draft::{Draft, SaturatingAdd};
use crate::facts::{SessionJob, Submission};
use crate::situation::Observation;
use crate::start;

const NOT_SUBMITTED: &str = "SubmissionNotAnswered";

/// How long a submission may take unless an annotation says otherwise (seed 001).
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);
/// How long the call for one request may take, its upload included.
const CALL: SignedDuration = SignedDuration::from_secs(150);
/// How much of the time in which Flink does not know a job is recorded at once.
const COUNT_STEP: SignedDuration = SignedDuration::from_secs(10);
/// A longer pause between two looks may be a clock that jumped or a machine that slept…
const PAUSE_MAX: SignedDuration = SignedDuration::from_secs(15);
/// … and counts no more than a usual one.
const USUAL_PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// Pause after a request that was not sent.
const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// Pause after a request of which nothing was heard at all, because Drey ended meanwhile.
const REPEAT: SignedDuration = SignedDuration::from_secs(30);

/// How long a submission of this Deployment may take.
pub(crate) fn timeout(d: &Draft) -> SignedDuration {
    let text = d.deployment.metadata.annotations.get(SUBMISSION_TIMEOUT);
    let seconds = text.and_then(|t| t.trim().parse::<u32>().ok()).filter(|n| *n > 0);
    seconds.map_or(TIMEOUT, |n| SignedDuration::from_secs(i64::from(n)))
}

/// Whether a request may still take effect, or has taken it unseen.
pub(crate) fn is_unsettled(submission: &Submission) -> bool {
    submission.is_open || submission.is_silent
}

/// Whether Flink has not known the job for so long that no request will take effect any more. A shorter timeout than
/// the usual one makes an attempt end earlier, not Flink faster.
pub(crate) fn has_outlasted(d: &Draft, submission: &Submission) -> bool {
    let limit = timeout(d).max(TIMEOUT);
    if submission.is_open {
        let unknown = submission.unknown_seconds - submission.unknown_when_sent;
        return unknown >= (limit + CALL).as_secs();
    }
    submission.unknown_seconds >= limit.as_secs()
}

/// Flink was asked and does not know the job. Only time in which it is asked counts: neither a clock that jumps nor a
/// machine that sleeps makes Flink faster.
pub(crate) fn count_unknown(d: &mut Draft, id: Uuid) {
    let now = d.now;
    change(d, id, |s| {
        let step = now.duration_since(s.counted_at);
        if is_unsettled(s) && (step >= COUNT_STEP || step.is_negative()) {
            let counted = if step > PAUSE_MAX { USUAL_PAUSE } else { step };
            s.unknown_seconds += counted.max(SignedDuration::ZERO).as_secs();
            s.counted_at = now;
        }
    });
}

/// Flink knows the job: returns since when that was seen.
pub(crate) fn taken(d: &mut Draft, id: Uuid) -> Timestamp {
    let now = d.now;
    let mut since = now;
    d.job_facts(id, |f| since = *f.alive_since.get_or_insert(now));
    accept(d, id);
    since
}

/// Sees a Job that Flink does not know to its submission.
pub(crate) fn prepare(d: &mut Draft, id: Uuid, session: &SessionJob, seen: &Observation) {
    count_unknown(d, id);
    let created = d.job(id).map_or(d.now, |r| r.job.metadata.created_at);
    match (&seen.program, &session.submission) {
        (Some(Seen::Present(Program::Ready { sha256, .. })), before) => {
            let is_due = before.as_ref().is_none_or(|before| is_due(d, before));
            if is_due {
                d.submitting = Some((id, sha256.clone()));
            } else if let Some(before) = before {
                wait(d, id, before);
            }
        }
        (_, Some(before)) => wait(d, id, before),
        (Some(Seen::Present(Program::Preparing { what })), None) => {
            start::wait_or_fail(d, id, what, created, start::PREPARE);
        }
        (Some(Seen::Present(Program::Failed { why })), None) => d.end_start(id, why, true),
        (None | Some(Seen::Absent | Seen::Unknown { .. }), None) => {
            start::wait_or_fail(d, id, "the artifact to be fetched", created, start::PREPARE);
        }
    }
}

fn is_due(d: &Draft, before: &Submission) -> bool {
    let is_over = d.now >= before.since.saturating_add_or_max(timeout(d));
    !before.accepted && !is_over && d.now >= before.not_before
}

fn wait(d: &mut Draft, id: Uuid, submission: &Submission) {
    let limit = timeout(d);
    let until = submission.since.saturating_add_or_max(limit);
    if d.now < until {
        if submission.not_before > d.now {
            d.wake(submission.not_before);
        }
        return d.wait("Flink to take the job", submission.since, until);
    }
    let last = submission.trouble.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let why = format!("its submission has not succeeded within {} s{last}", limit.as_secs());
    d.end_start(id, &why, !is_unsettled(submission));
}

/// Records the request that was chosen; the action follows from the record. A Job that this decision has cancelled since
/// sends nothing.
pub(crate) fn record(d: &mut Draft) {
    let Some((id, sha256)) = d.submitting.take() else { return };
    let Some(record) = d.job(id).filter(|r| r.job.status.state == JobState::Starting) else {
        return;
    };
    let Some(session) = record.facts.session.clone().filter(|_| record.facts.end.is_none()) else {
        return;
    };
    let now = d.now;
    if session.submission.is_none() {
        let message = format!("Submitting the job to SessionCluster '{}'", session.name);
        d.event(EventName::AwaitingAJobToStart, Some(id), message);
    }
    let before = session.submission.as_ref();
    // Of one that is open still, nothing will be heard any more: its silence begins now.
    let unknown = before.filter(|s| s.is_silent && !s.is_open).map_or(0, |s| s.unknown_seconds);
    let submission = Submission {
        since: before.map_or(now, |s| s.since),
        is_open: true,
        is_silent: before.is_some_and(is_unsettled),
        unknown_seconds: unknown,
        unknown_when_sent: unknown,
        counted_at: now,
        not_before: now.saturating_add_or_max(REPEAT),
        accepted: false,
        trouble: before.and_then(|s| s.trouble.clone()),
    };
    let until = submission.since.saturating_add_or_max(timeout(d));
    d.wait("Flink to take the job", submission.since, until);
    d.job_facts(id, |f| {
        if let Some(session) = &mut f.session {
            session.artifact = Some(sha256.clone());
            session.submission = Some(submission);
        }
    });
    d.submitting = Some((id, sha256));
}

fn change(d: &mut Draft, id: Uuid, change: impl FnOnce(&mut Submission)) {
    d.job_facts(id, |f| {
        if let Some(submission) = f.session.as_mut().and_then(|s| s.submission.as_mut()) {
            change(submission);
        }
    });
}

/// The id is taken now, whatever becomes of requests under way.
fn accept(d: &mut Draft, id: Uuid) {
    change(d, id, |s| {
        s.is_open = false;
        s.is_silent = false;
        s.accepted = true;
    });
}

/// Flink has the job.
pub(crate) fn accepted(d: &mut Draft, id: Uuid) {
    accept(d, id);
    d.resume_after(NOT_SUBMITTED);
}

/// Flink answered that it will not run the job. While an earlier request may still take effect, the attempt goes on: it
/// may be why the later one was refused.
pub(crate) fn refused(d: &mut Draft, id: Uuid, why: &str) {
    let rest = timeout(d);
    change(d, id, |s| {
        s.is_open = false;
        s.not_before = s.since.saturating_add_or_max(rest);
        s.trouble = Some(why.to_owned());
    });
    let Some(record) = d.job(id).filter(|r| r.facts.end.is_none()) else { return };
    let submission = record.facts.session.as_ref().and_then(|s| s.submission.as_ref());
    let is_settled = submission.is_none_or(|s| !is_unsettled(s));
    if record.job.status.state == JobState::Starting && is_settled {
        d.end_start(id, why, true);
    }
}

/// The request never left: it is as if it had not been recorded.
pub(crate) fn not_sent(d: &mut Draft, id: Uuid, why: &str) {
    let now = d.now;
    change(d, id, |s| {
        s.is_open = false;
        s.not_before = now.saturating_add_or_max(RETRY);
        s.trouble = Some(why.to_owned());
    });
    warn(d, id, format!("Job {id} could not be submitted and will be again: {why}"));
}

/// The request has to wait for its turn; that is no trouble, and costs no time.
pub(crate) fn postponed(d: &mut Draft, id: Uuid) {
    let now = d.now;
    change(d, id, |s| {
        s.is_open = false;
        s.not_before = now.saturating_add_or_max(RETRY);
        if !s.is_silent {
            s.since = now;
        }
    });
}

/// Flink did not answer: whether the job appears tells how it went. `main()` may be at work, and is left alone for half
/// of the time that it may take.
pub(crate) fn unanswered(d: &mut Draft, id: Uuid, why: &str) {
    let now = d.now;
    let pause = timeout(d) / 2;
    change(d, id, |s| {
        s.is_open = false;
        s.is_silent = true;
        s.unknown_seconds = 0;
        s.counted_at = now;
        s.not_before = now.saturating_add_or_max(pause);
        s.trouble = Some(format!("Flink has not answered ({why}); its log may tell why"));
    });
    let message = format!(
        "The submission of Job {id} was not answered and may still take effect; its id will tell: {why}"
    );
    warn(d, id, message);
}

fn warn(d: &mut Draft, id: Uuid, message: String) {
    d.warn_once(EventName::GeneralFailure, id, NOT_SUBMITTED, message);
}

#[cfg(test)]
mod tests {
    use super::{Submission, is_unsettled};

    #[test]
    fn where_an_older_drey_did_not_keep_it_a_request_may_still_take_effect() {
        let old = r#"{"since": "2026-01-01T00:00:00Z", "sentAt": "2026-01-01T00:00:00Z", "isOpen": false,
            "silentAt": "2026-01-01T00:00:30Z", "notBefore": "2026-01-01T00:03:00Z", "accepted": false}"#;
        let submission: Submission = serde_json::from_str(old).unwrap();
        assert!(is_unsettled(&submission));
    }
}
