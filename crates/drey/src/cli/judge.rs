//! Has it happened, can it still happen, or has it failed? The pure half of `drey wait`.
//!
//! A picture can be older than the request that the user just made: the server answers a write before the controller
//! has looked at it. So a picture counts once it says that the controller has seen the newest spec, and not before
//! `since`, the version of that write. One that does not say (a Ververica Platform has no explanations; a session cluster
//! that is FAILED may have been so before) is given [`GRACE`] instead.

use std::time::Duration;

use super::goal::Goal;
use super::picture::Picture;
use crate::args::{FailOn, WaitRules};

/// How long the controller may take to begin with a change.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// What one look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is so, and was for as long as was asked.
    Done,
    /// Not yet.
    Pending,
    /// It will not become so.
    Failed,
    /// It does not exist.
    Gone,
}

/// What is waited for, of one object.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    goals: Vec<Goal>,
    any: bool,
    fail_on: Vec<FailOn>,
    stable: Duration,
    grace: Duration,
    since: Option<i32>,
    first: Option<(i32, Duration)>,
    moved: bool,
    held_since: Option<Duration>,
}

impl Judge {
    /// A judge that has seen nothing yet.
    pub(crate) fn new(goals: &[Goal], any: bool, rules: &WaitRules) -> Self {
        Self {
            goals: goals.to_vec(),
            any,
            fail_on: rules.fail_on.clone(),
            stable: rules.stable,
            grace: GRACE.min(rules.timeout),
            since: rules.since_version,
            first: None,
            moved: false,
            held_since: None,
        }
    }

    /// Looks at a picture `at` this time after the wait began.
    pub(crate) fn look(&mut self, picture: Option<&Picture>, at: Duration) -> Verdict {
        let Some(picture) = picture else {
            let done = self.goals.contains(&Goal::Deleted);
            return if done { Verdict::Done } else { Verdict::Gone };
        };
        let settled = self.settled(picture, at);
        let fresh = settled || self.since.is_none();
        let holds = |goal: &Goal| goal.holds(Some(picture));
        let met =
            if self.any { self.goals.iter().any(holds) } else { self.goals.iter().all(holds) };
        if fresh && met {
            let since = *self.held_since.get_or_insert(at);
            let held = at.saturating_sub(since) >= self.stable;
            return if held { Verdict::Done } else { Verdict::Pending };
        }
        self.held_since = None;
        if settled && self.hopeless(picture) { Verdict::Failed } else { Verdict::Pending }
    }

    /// Whether the picture shows what the controller made of the newest request.
    fn settled(&mut self, picture: &Picture, at: Duration) -> bool {
        let version = picture.metadata().resource_version;
        if self.since.is_some_and(|since| version < since) {
            return false;
        }
        if let Some(has_looked) = picture.has_looked() {
            return has_looked;
        }
        let (first, since) = *self.first.get_or_insert((version, at));
        // What moves is the controller's answer, whatever the version was before.
        self.moved |= version > self.since.unwrap_or(first) || picture.is_moving();
        self.moved || at.saturating_sub(since) >= self.grace
    }

    fn hopeless(&self, picture: &Picture) -> bool {
        let on = |what| self.fail_on.contains(&what) && !self.fail_on.contains(&FailOn::None);
        let needs_a_job = self.goals.iter().any(Goal::needs_a_job);
        // A job that has ended, or that nobody asked for, does not come by waiting.
        let over = needs_a_job && (picture.is_finished() || !picture.is_asked_to_run());
        let on_failure = on(FailOn::Failed) || on(FailOn::Failing) || on(FailOn::Quota);
        (on_failure && (picture.is_failed() || over))
            || (on(FailOn::Failing) && picture.is_failing())
            || (on(FailOn::Quota) && picture.is_refused())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drey_model::{
        ClusterState, Deployment, DeploymentState, DesiredClusterState, DesiredState,
        SessionCluster,
    };

    use super::{Judge, Verdict};
    use crate::args::{FailOn, WaitRules};
    use crate::cli::goal::Goal;
    use crate::cli::picture::Picture;
    use crate::client::{ClusterView, View};

    fn view(version: i32, state: DeploymentState) -> Picture {
        let mut deployment = Deployment::new(Default::default(), Default::default());
        deployment.metadata.resource_version = version;
        deployment.spec.state = DesiredState::Running;
        deployment.status.state = state;
        let view = View { deployment, explanation: None, jobs: Vec::new(), observed_at: None };
        Picture::Deployment(Box::new(view))
    }

    fn cluster(version: i32, desired: DesiredClusterState, state: ClusterState) -> Picture {
        let mut session_cluster = SessionCluster::new(Default::default(), Default::default());
        session_cluster.metadata.resource_version = version;
        session_cluster.spec.state = desired;
        session_cluster.status.state = state;
        let view = ClusterView {
            session_cluster,
            wait: None,
            next_attempt_at: None,
            run_id: None,
            runs: Vec::new(),
            task_managers: Some(1),
            active_deployments: Vec::new(),
        };
        Picture::SessionCluster(Box::new(view))
    }

    fn judge(change: impl FnOnce(&mut WaitRules)) -> Judge {
        let mut rules = WaitRules {
            timeout: Duration::from_secs(600),
            fail_on: vec![FailOn::Failed],
            stable: Duration::ZERO,
            since_version: None,
        };
        change(&mut rules);
        Judge::new(&[Goal::Running], false, &rules)
    }

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_failure_from_before_the_request_does_not_count() {
        let mut judge = judge(|rules| rules.since_version = Some(7));
        assert_eq!(judge.look(Some(&view(6, DeploymentState::Failed)), S(0)), Verdict::Pending);
        assert_eq!(judge.look(Some(&view(7, DeploymentState::Failed)), S(1)), Verdict::Pending);
        assert_eq!(
            judge.look(Some(&view(8, DeploymentState::Transitioning)), S(2)),
            Verdict::Pending
        );
        assert_eq!(judge.look(Some(&view(9, DeploymentState::Failed)), S(3)), Verdict::Failed);
    }

    #[test]
    fn running_from_before_the_request_does_not_count_until_the_controller_looked() {
        let mut judge = judge(|rules| rules.since_version = Some(7));
        assert_eq!(judge.look(Some(&view(7, DeploymentState::Running)), S(0)), Verdict::Pending);
        assert_eq!(judge.look(Some(&view(7, DeploymentState::Running)), S(4)), Verdict::Done);
    }

    #[test]
    fn without_a_version_a_first_failure_is_given_a_moment() {
        let mut judge = judge(|_| {});
        assert_eq!(judge.look(Some(&view(1, DeploymentState::Failed)), S(0)), Verdict::Pending);
        assert_eq!(judge.look(Some(&view(1, DeploymentState::Failed)), S(3)), Verdict::Failed);
        let mut once = self::judge(|rules| rules.timeout = Duration::ZERO);
        assert_eq!(once.look(Some(&view(1, DeploymentState::Failed)), S(0)), Verdict::Failed);
    }

    #[test]
    fn stable_begins_anew_after_each_break() {
        let mut judge = judge(|rules| rules.stable = Duration::from_secs(60));
        assert_eq!(judge.look(Some(&view(1, DeploymentState::Running)), S(0)), Verdict::Pending);
        assert_eq!(
            judge.look(Some(&view(2, DeploymentState::Transitioning)), S(50)),
            Verdict::Pending
        );
        assert_eq!(judge.look(Some(&view(3, DeploymentState::Running)), S(55)), Verdict::Pending);
        assert_eq!(judge.look(Some(&view(3, DeploymentState::Running)), S(115)), Verdict::Done);
    }

    #[test]
    fn a_job_that_ended_by_itself_never_runs_and_none_rides_it_out() {
        let mut judge = judge(|_| {});
        let _ = judge.look(Some(&view(1, DeploymentState::Running)), S(0));
        let mut strict = self::judge(|rules| rules.since_version = Some(0));
        assert_eq!(strict.look(Some(&view(2, DeploymentState::Finished)), S(1)), Verdict::Failed);
        let mut patient = self::judge(|rules| {
            rules.since_version = Some(0);
            rules.fail_on = vec![FailOn::None];
        });
        assert_eq!(patient.look(Some(&view(2, DeploymentState::Failed)), S(1)), Verdict::Pending);
    }

    #[test]
    fn a_disappeared_object_is_gone_unless_that_is_the_goal() {
        assert_eq!(judge(|_| {}).look(None, S(0)), Verdict::Gone);
        let rules = WaitRules { timeout: S(1), fail_on: vec![], stable: S(0), since_version: None };
        assert_eq!(Judge::new(&[Goal::Deleted], false, &rules).look(None, S(0)), Verdict::Done);
    }

    #[test]
    fn a_cluster_that_is_stopped_may_be_failed_until_the_controller_has_looked() {
        let (stopped, failed) = (DesiredClusterState::Stopped, ClusterState::Failed);
        let rules = WaitRules {
            timeout: S(600),
            fail_on: vec![FailOn::Failed],
            stable: S(0),
            since_version: Some(7),
        };
        let mut judge = Judge::new(&[Goal::AsDeclared], false, &rules);
        assert_eq!(judge.look(Some(&cluster(7, stopped, failed)), S(0)), Verdict::Pending);
        assert_eq!(judge.look(Some(&cluster(7, stopped, failed)), S(60)), Verdict::Pending);
        let ended = cluster(8, stopped, ClusterState::Stopped);
        assert_eq!(judge.look(Some(&ended), S(61)), Verdict::Done);
    }

    #[test]
    fn a_cluster_that_failed_before_it_was_started_again_is_given_a_moment() {
        let running = DesiredClusterState::Running;
        let mut judge = judge(|rules| rules.since_version = Some(7));
        let old = cluster(7, running, ClusterState::Failed);
        assert_eq!(judge.look(Some(&old), S(0)), Verdict::Pending);
        let begins = cluster(8, running, ClusterState::Starting);
        assert_eq!(judge.look(Some(&begins), S(1)), Verdict::Pending);
        let anew = cluster(9, running, ClusterState::Failed);
        assert_eq!(judge.look(Some(&anew), S(2)), Verdict::Failed);
        let mut other = self::judge(|rules| rules.since_version = Some(7));
        assert_eq!(other.look(Some(&old), S(0)), Verdict::Pending);
        assert_eq!(other.look(Some(&old), S(3)), Verdict::Failed);
    }

    #[test]
    fn a_cluster_runs_when_it_has_as_many_task_managers_as_asked_for() {
        let mut judge = judge(|rules| rules.since_version = Some(7));
        let mut picture = cluster(7, DesiredClusterState::Running, ClusterState::Running);
        if let Picture::SessionCluster(view) = &mut picture {
            view.session_cluster.spec.number_of_task_managers = 2;
        }
        assert_eq!(judge.look(Some(&picture), S(60)), Verdict::Pending, "it has one");
        if let Picture::SessionCluster(view) = &mut picture {
            view.task_managers = Some(2);
        }
        assert_eq!(judge.look(Some(&picture), S(61)), Verdict::Done);
        let unasked = cluster(8, DesiredClusterState::Stopped, ClusterState::Stopped);
        assert_eq!(judge.look(Some(&unasked), S(62)), Verdict::Failed);
    }
}
