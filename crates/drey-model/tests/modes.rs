//! Application mode and session mode: what each fills in, and the way from one to the other (Q6, Q37).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]
#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use drey_model::defaults::Layers;
use drey_model::document::Document;
use drey_model::meta::Metadata;
use drey_model::session_cluster::SessionClusterSpec;
use drey_model::write::{
    WriteContext, create_deployment, local_target, patch_deployment, replace_deployment,
};
use drey_model::{Deployment, DeploymentTarget, SessionCluster};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

struct World {
    layers: Layers,
    targets: Vec<DeploymentTarget>,
    session_clusters: Vec<SessionCluster>,
}

impl World {
    /// With a target and a cluster, of which `default` is where Deployments run that do not say.
    fn new(default: Value) -> Self {
        let layers = Layers::new("1.20", [json!({ "spec": default })]);
        let metadata = Metadata { name: "shared".to_owned(), ..Metadata::default() };
        let flink_version = Some("2.2.1".to_owned());
        let spec = SessionClusterSpec { flink_version, ..SessionClusterSpec::default() };
        let session_clusters = vec![SessionCluster::new(metadata, spec)];
        let mut world = Self { layers, targets: Vec::new(), session_clusters };
        let local = local_target(&world.ctx());
        world.targets.push(local);
        world
    }

    fn ctx(&self) -> WriteContext<'_> {
        WriteContext {
            now: Timestamp::UNIX_EPOCH,
            id: Uuid::from_u128(7),
            namespace: "default",
            layers: &self.layers,
            targets: &self.targets,
            session_clusters: &self.session_clusters,
        }
    }

    fn create(&self, place: Value) -> Deployment {
        create_deployment(&document(place), &self.ctx()).unwrap().object
    }

    /// The Deployment after a PATCH of its spec, with the paths of the warnings, or the messages of the refusal.
    fn patch(
        &self,
        current: &Deployment,
        spec: Value,
    ) -> Result<(Deployment, Vec<String>), Vec<String>> {
        let patch = Document::from_value(&json!({ "spec": spec }));
        let accepted = patch_deployment(current, &patch, &self.ctx());
        let accepted =
            accepted.map_err(|p| p.into_iter().map(|p| p.message).collect::<Vec<_>>())?;
        Ok((accepted.object, accepted.warnings.into_iter().map(|w| w.path).collect()))
    }
}

fn document(place: Value) -> Document {
    let mut spec = json!({"template": {"spec": {"artifact": {"jarUri": "file:///a.jar"}}}});
    spec.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    Document::from_value(&json!({"metadata": {"name": "x"}, "spec": spec}))
}

fn place(deployment: &Deployment) -> (Option<&str>, Option<&str>) {
    let spec = &deployment.spec;
    (spec.deployment_target_name.as_deref(), spec.session_cluster_name.as_deref())
}

#[test]
fn each_mode_is_filled_up_with_what_it_has() {
    let world = World::new(json!({"deploymentTargetName": "local"}));
    let own = world.create(json!({}));
    assert_eq!((place(&own), own.spec.template.spec.resources.len()), ((Some("local"), None), 2));
    let shared = world.create(json!({"sessionClusterName": "shared"}));
    let spec = serde_json::to_value(&shared.spec.template.spec).unwrap();
    let members: Vec<&String> = spec.as_object().unwrap().keys().collect();
    assert_eq!(place(&shared), (None, Some("shared")));
    assert_eq!(members, ["artifact", "flinkConfiguration", "parallelism"]);
}

#[test]
fn the_old_place_is_left_by_an_explicit_null() {
    for default in [
        json!({}),
        json!({"deploymentTargetName": "local"}),
        json!({"sessionClusterName": "shared"}),
    ] {
        let world = World::new(default);
        let own = world.create(json!({"deploymentTargetName": "local"}));
        let both = world.patch(&own, json!({"sessionClusterName": "shared"})).unwrap_err();
        assert!(both[0].contains("not both; null removes one"), "{both:?}");

        let to_shared = json!({"sessionClusterName": "shared", "deploymentTargetName": null});
        let (shared, warnings) = world.patch(&own, to_shared).unwrap();
        assert_eq!((place(&shared), warnings), ((None, Some("shared")), vec![]));
        assert_eq!(shared.spec_version(), 2);
        let both = world.patch(&shared, json!({"deploymentTargetName": "local"})).unwrap_err();
        assert!(both[0].contains("not both"), "{both:?}");

        let shared = world.create(json!({"sessionClusterName": "shared"}));
        let to_own = json!({"sessionClusterName": null, "deploymentTargetId": null, "deploymentTargetName": "local"});
        let (own, warnings) = world.patch(&shared, to_own).unwrap();
        // What the cluster brought before is filled in now, as it was asked for.
        assert_eq!((place(&own), warnings), ((Some("local"), None), vec![]));
        assert_eq!(
            (own.spec.template.spec.resources.len(), own.spec.template.spec.logging.is_some()),
            (2, true)
        );
        let put = replace_deployment(
            Some(&own),
            "x",
            &document(json!({"sessionClusterName": "shared"})),
            &world.ctx(),
        );
        assert_eq!(place(&put.unwrap().object), (None, Some("shared")));
    }
}

#[test]
fn a_place_that_is_removed_is_filled_from_the_defaults_or_missed() {
    let world = World::new(json!({"deploymentTargetName": "local"}));
    let shared = world.create(json!({"sessionClusterName": "shared"}));
    let (own, _) = world.patch(&shared, json!({"sessionClusterName": null})).unwrap();
    assert_eq!(place(&own), (Some("local"), None));
    let world = World::new(json!({}));
    let shared = world.create(json!({"sessionClusterName": "shared"}));
    let nowhere = world.patch(&shared, json!({"sessionClusterName": null})).unwrap_err();
    assert!(nowhere[0].starts_with("Say where to run"), "{nowhere:?}");
}

#[test]
fn a_cluster_that_does_not_exist_is_named_with_those_that_do() {
    let world = World::new(json!({}));
    let refused =
        create_deployment(&document(json!({"sessionClusterName": "shard"})), &world.ctx());
    let problem = refused.unwrap_err().remove(0);
    assert_eq!(problem.path, "spec.sessionClusterName");
    assert_eq!(
        problem.message,
        "No SessionCluster 'shard' in namespace 'default'. Did you mean shared? Session clusters here: shared."
    );
}

#[test]
fn what_a_session_cluster_decides_is_told_when_a_deployment_says_it() {
    let world = World::new(json!({}));
    let warned = |template: Value| {
        let mut template = template;
        template["artifact"]["jarUri"] = json!("file:///a");
        let spec = json!({"sessionClusterName": "shared", "template": {"spec": template}});
        let accepted = create_deployment(&document(spec), &world.ctx()).unwrap();
        let told = accepted.warnings.into_iter();
        told.map(|w| format!("{}: {}", w.path, w.message)).collect::<Vec<_>>()
    };
    let version = |version: &str| warned(json!({"artifact": {"flinkVersion": version}}));
    let other = "spec.template.spec.artifact.flinkVersion: No effect: SessionCluster shared runs Flink 2.2.1, and so does the job.";
    assert_eq!(version("1.20"), [other]);
    assert_eq!(version("2.2.10"), [other]);
    for same in ["2.2.1", "2.2"] {
        assert_eq!(version(same), [""; 0], "{same}");
    }
    assert_eq!(warned(json!({})), [""; 0], "what the defaults say is nobody's mistake");
    assert_eq!(
        warned(json!({"numberOfTaskManagers": 2, "resources": {}})),
        [
            "spec.template.spec.numberOfTaskManagers: No effect on a SessionCluster: what shared says holds."
        ]
    );
}
