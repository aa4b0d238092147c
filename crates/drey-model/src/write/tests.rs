//! Whole writes, from text to resource.
#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::defaults::{DeploymentDefaults, built_in};
use crate::deployment::{ArtifactKind, Deployment, DeploymentState, DesiredState};
use crate::document::{Format, parse, to_yaml};
use crate::meta::STOP_WITH_DRAIN;
use crate::savepoint::{SavepointOrigin, SavepointState};
use crate::session_cluster::SessionCluster;

struct World {
    layers: Layers,
    targets: Vec<DeploymentTarget>,
    session_clusters: Vec<SessionCluster>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            layers: Layers::new("1.20", []),
            targets: Vec::new(),
            session_clusters: Vec::new(),
        };
        let shared = yaml("metadata: {name: shared}\nspec: {deploymentTargetName: local}");
        let local = local_target(&world.ctx(1));
        world.targets.push(local);
        let shared = create_session_cluster(&shared, &world.ctx(3)).unwrap().object;
        world.session_clusters.push(shared);
        world.target("kind: DeploymentTarget\nmetadata: {name: prod-eu}\nspec:\n  kubernetes: {namespace: jobs}\n  deploymentPatchSet:\n  - {op: add, path: /spec/template/spec/flinkConfiguration/state.savepoints.dir, value: 's3://b'}\n  - {op: add, path: /metadata/labels/where, value: eu}\n  - {op: test, path: /spec/template/spec/artifact/kind, value: JAR}\n");
        world
    }

    fn target(&mut self, text: &str) {
        let target = create_target(&yaml(text), &self.ctx(2)).unwrap().object;
        self.targets.push(target);
    }

    fn ctx(&self, id: u128) -> WriteContext<'_> {
        WriteContext {
            now: Timestamp::UNIX_EPOCH,
            id: Uuid::from_u128(id),
            namespace: "default",
            layers: &self.layers,
            targets: &self.targets,
            session_clusters: &self.session_clusters,
        }
    }

    fn create(&self, text: &str) -> Deployment {
        create_deployment(&yaml(text), &self.ctx(7)).unwrap().object
    }

    fn patch(&self, current: &Deployment, text: &str) -> Deployment {
        patch_deployment(current, &yaml(text), &self.ctx(8)).unwrap().object
    }
}

fn yaml(text: &str) -> Document {
    parse(text.as_bytes(), Format::Yaml).unwrap()
}

const MINIMAL: &str = "metadata: {name: orders}\nspec: {deploymentTargetName: local, template: {spec: {artifact: {jarUri: 'file:///a.jar'}}}}";

fn paths(result: Result<Accepted<Deployment>, Vec<Problem>>) -> Vec<String> {
    result.unwrap_err().into_iter().map(|p| p.path).collect()
}

#[test]
fn a_minimal_document_becomes_a_whole_deployment() {
    let world = World::new();
    let accepted = create_deployment(&yaml(MINIMAL), &world.ctx(7)).unwrap();
    let deployment = &accepted.object;
    assert_eq!(accepted.warnings, vec![]);
    assert_eq!(
        (deployment.metadata.id, deployment.metadata.resource_version),
        (Uuid::from_u128(7), 1)
    );
    assert_eq!((deployment.metadata.namespace.as_str(), deployment.spec_version()), ("default", 1));
    let mut expected = built_in("1.20");
    expected["spec"]["deploymentTargetName"] = json!("local");
    expected["spec"]["template"]["spec"]["artifact"]["jarUri"] = json!("file:///a.jar");
    assert_eq!(serde_json::to_value(&deployment.spec).unwrap(), expected["spec"]);
}

#[test]
fn the_name_may_come_from_the_display_name() {
    let world = World::new();
    let text = MINIMAL.replace("name: orders", "displayName: My Orders!");
    let deployment = world.create(&text);
    assert_eq!(deployment.metadata.name, "my-orders");
    assert_eq!(deployment.metadata.display_name.as_deref(), Some("My Orders!"));
    let nameless =
        create_deployment(&yaml(&MINIMAL.replace("name: orders", "labels: {}")), &world.ctx(1));
    assert_eq!(paths(nameless), ["metadata.name"]);
}

#[test]
fn what_only_the_server_writes_is_ignored() {
    let world = World::new();
    let text = MINIMAL.replace(
        "{name: orders}",
        "{name: orders, id: x, resourceVersion: 99, annotations: {mine: 1, com.dataartisans.appmanager.controller.deployment.spec.version: 9, com.dataartisans.appmanager.controller.deployment.stop-with-drain: true}}\nstatus: {state: RUNNING}",
    );
    let deployment = world.create(&text);
    let expected = [(SPEC_VERSION, "1"), (STOP_WITH_DRAIN, "true"), ("mine", "1")];
    assert_eq!(
        deployment.metadata.annotations,
        expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    );
    assert_eq!(
        (deployment.metadata.resource_version, deployment.status.state),
        (1, DeploymentState::Cancelled)
    );
}

#[test]
fn all_problems_come_at_once_without_echoes() {
    let world = World::new();
    let text = "metadata: {name: A, namespace: other}\nspec:\n  state: PAUSED\n  maxJobCreationAttempts: 0\n  deploymentTargetName: nowhere\n  template:\n    spec:\n      artifact: {jarUri: [1]}\n      kubernetes: {pods: {a: [{$patch: replace}]}}\n";
    let problems = create_deployment(&yaml(text), &world.ctx(1)).unwrap_err();
    let found: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    let expected = [
        "spec.state",
        "spec.template.spec.artifact.jarUri",
        "metadata.namespace",
        "spec.template.spec.kubernetes.pods.a[0].$patch",
        "metadata.name",
        "spec.deploymentTargetName",
    ];
    // A directive that cannot be followed leaves the spec unmerged, so its ranges are not looked at.
    for path in expected {
        assert!(found.contains(&path), "{path} is missing in {found:?}");
    }
    let state = problems.iter().find(|p| p.path == "spec.state").unwrap();
    assert!(state.message.ends_with("(3:3)"), "{}", state.message);
}

#[test]
fn the_patch_set_of_the_target_is_applied_on_every_write() {
    let world = World::new();
    let text = MINIMAL.replace("local", "prod-eu");
    let deployment = world.create(&text);
    assert_eq!(deployment.spec.template.spec.flink_configuration["state.savepoints.dir"], "s3://b");
    assert_eq!(deployment.metadata.labels["where"], "eu");
    let moved = world.patch(&world.create(MINIMAL), "spec: {deploymentTargetName: prod-eu}");
    assert_eq!(moved.spec.template.spec.flink_configuration["state.savepoints.dir"], "s3://b");
    let refused = patch_deployment(
        &deployment,
        &yaml("spec: {template: {spec: {artifact: {kind: sqlscript, sqlScript: x}}}}"),
        &world.ctx(1),
    );
    let problem = &refused.unwrap_err()[0];
    assert_eq!(
        problem.message,
        "Target prod-eu refused the change: deploymentPatchSet[2] (test /spec/template/spec/artifact/kind = \"JAR\") does not hold, found \"SQLSCRIPT\"."
    );
}

#[test]
fn a_patch_set_cannot_change_identity_and_its_types_are_checked() {
    let mut world = World::new();
    world.target("metadata: {name: odd}\nspec:\n  local: {}\n  deploymentPatchSet:\n  - {op: replace, path: /metadata/name, value: x}\n  - {op: replace, path: /metadata/id, value: x}\n  - {op: add, path: /spec/template/spec/flinkConfiguration/a, value: 5}\n  - {op: remove, path: /metadata/annotations}\n");
    let deployment = world.create(&MINIMAL.replace("local", "odd"));
    assert_eq!((deployment.metadata.name.as_str(), deployment.spec_version()), ("orders", 1));
    assert_eq!(deployment.spec.template.spec.flink_configuration["a"], "5");
    world.target("metadata: {name: bad}\nspec:\n  local: {}\n  deploymentPatchSet: [{op: add, path: /spec/template/spec/parallelism, value: many}]\n");
    let problems =
        create_deployment(&yaml(&MINIMAL.replace("local", "bad")), &world.ctx(1)).unwrap_err();
    assert_eq!(
        problems[0].message,
        "After the patch set of target bad: Expected a whole number below 2147483648, found \"many\"."
    );
}

#[test]
fn a_patch_counts_versions() {
    let world = World::new();
    let first = world.create(MINIMAL);
    let same = world.patch(&first, "{}");
    assert_eq!(
        (same.metadata.resource_version, same.spec_version(), &same.spec),
        (2, 1, &first.spec)
    );
    let changed = world.patch(&same, "spec: {state: running}\nmetadata: {labels: {a: b}}");
    assert_eq!((changed.metadata.resource_version, changed.spec_version()), (3, 2));
    assert_eq!(
        (changed.spec.state, changed.metadata.id),
        (DesiredState::Running, first.metadata.id)
    );
    let labelled = world
        .patch(&changed, "metadata: {labels: {a: null, c: d}, annotations: null, displayName: X}");
    assert_eq!((labelled.metadata.resource_version, labelled.spec_version()), (4, 2));
    assert_eq!(labelled.metadata.labels, [("c".to_owned(), "d".to_owned())].into());
    assert_eq!(labelled.metadata.display_name.as_deref(), Some("X"));
    let renamed = patch_deployment(&first, &yaml("metadata: {name: other}"), &world.ctx(1));
    assert_eq!(paths(renamed), ["metadata.name"]);
}

#[test]
fn a_change_of_the_artifact_kind_drops_the_old_members() {
    let world = World::new();
    let accepted = patch_deployment(
        &world.create(MINIMAL),
        &yaml(
            "spec: {template: {spec: {artifact: {kind: sqlscript, sqlScript: SELECT 1, entryClass: x}}}}",
        ),
        &world.ctx(1),
    );
    let accepted = accepted.unwrap();
    let artifact = &accepted.object.spec.template.spec.artifact;
    assert_eq!(
        (artifact.kind, &artifact.jar_uri, &artifact.entry_class),
        (ArtifactKind::SqlScript, &None, &None)
    );
    let expected = Problem::new(
        "spec.template.spec.artifact.entryClass",
        "An artifact of kind SQLSCRIPT has no entryClass, so it is ignored.",
    );
    assert_eq!(accepted.warnings, vec![expected]);
}

#[test]
fn a_removed_member_is_filled_and_a_removed_key_is_not() {
    let world = World::new();
    let first = world.create(
        &MINIMAL
            .replace("{artifact", "{parallelism: 5, flinkConfiguration: {a.b: 1, c: 2}, artifact"),
    );
    let next = world.patch(
        &first,
        "spec: {template: {spec: {parallelism: null, flinkConfiguration: {a.b: null}}}}",
    );
    assert_eq!(next.spec.template.spec.parallelism, Some(1));
    assert_eq!(
        next.spec.template.spec.flink_configuration,
        [("c".to_owned(), "2".to_owned())].into()
    );
}

#[test]
fn a_target_id_stands_for_its_name() {
    let world = World::new();
    let id = world.targets[0].metadata.id;
    let text = MINIMAL.replace("deploymentTargetName: local", &format!("deploymentTargetId: {id}"));
    let deployment = world.create(&text);
    assert_eq!(deployment.spec.deployment_target_name.as_deref(), Some("local"));
    let other = MINIMAL.replace(
        "deploymentTargetName: local",
        "deploymentTargetId: 00000000-0000-0000-0000-000000000099",
    );
    assert!(
        paths(create_deployment(&yaml(&other), &world.ctx(1)))
            .contains(&"spec.deploymentTargetId".to_owned())
    );
    let both = MINIMAL
        .replace("spec: {", &format!("spec: {{deploymentTargetId: {id}, "))
        .replace(": local", ": prod-eu");
    assert_eq!(paths(create_deployment(&yaml(&both), &world.ctx(1))), ["spec.deploymentTargetId"]);
}

#[test]
fn a_put_creates_or_replaces() {
    let world = World::new();
    let created = replace_deployment(
        None,
        "orders",
        &yaml(&MINIMAL.replace("{name: orders}", "{}")),
        &world.ctx(5),
    )
    .unwrap()
    .object;
    assert_eq!((created.metadata.name.as_str(), created.metadata.resource_version), ("orders", 1));
    let mut current = world.patch(&created, "metadata: {labels: {a: b}, annotations: {x: y}, displayName: D}\nspec: {state: running, template: {spec: {parallelism: 3}}}");
    current.status.state = DeploymentState::Running;
    let replaced =
        replace_deployment(Some(&current), "orders", &yaml(MINIMAL), &world.ctx(6)).unwrap().object;
    assert_eq!(replaced.spec, created.spec);
    assert_eq!((replaced.metadata.resource_version, replaced.spec_version()), (3, 3));
    assert_eq!(
        (replaced.metadata.id, replaced.status.state),
        (created.metadata.id, DeploymentState::Running)
    );
    assert_eq!(
        (
            replaced.metadata.labels.len(),
            replaced.metadata.annotations.len(),
            &replaced.metadata.display_name
        ),
        (0, 1, &None)
    );
    assert_eq!(
        paths(replace_deployment(None, "other", &yaml(MINIMAL), &world.ctx(1))),
        ["metadata.name"]
    );
    let got = to_yaml(&current).unwrap();
    let same = replace_deployment(Some(&current), "orders", &yaml(&got), &world.ctx(6)).unwrap();
    assert_eq!(
        (&same.object.spec, same.object.spec_version(), same.warnings),
        (&current.spec, current.spec_version(), vec![])
    );
}

#[test]
fn targets_are_created_and_only_their_metadata_changes() {
    let world = World::new();
    let current = &world.targets[1];
    assert_eq!(
        (current.metadata.resource_version, world.targets[0].spec.local.is_some()),
        (1, true)
    );
    let put = |text: &str| replace_target(current, &yaml(text), &world.ctx(1));
    let next = put("metadata: {labels: {a: b}}").unwrap().object;
    assert_eq!(
        (&next.spec, next.metadata.resource_version, next.metadata.labels["a"].as_str()),
        (&current.spec, 2, "b")
    );
    assert!(put(&to_yaml(current).unwrap()).is_ok());
    assert_eq!(put("metadata: {name: x}\nspec: {local: {}}").unwrap_err().len(), 2);
    let create = |text: &str| {
        create_target(&yaml(text), &world.ctx(1))
            .unwrap_err()
            .into_iter()
            .map(|p| p.path)
            .collect::<Vec<_>>()
    };
    assert_eq!(create("spec: {kubernetes: null}"), ["metadata.name", "spec"]);
    assert_eq!(
        create(
            "metadata: {name: a}\nspec: {local: {}, deploymentPatchSet: [{op: jump, path: /a}]}"
        ),
        ["spec.deploymentPatchSet[0]"]
    );
}

#[test]
fn savepoints_are_asked_for_or_registered() {
    let world = World::new();
    let deployment = world.create(MINIMAL);
    let id = deployment.metadata.id;
    let create =
        |text: &str| create_savepoint(&yaml(text), &world.ctx(9), &deployment).map(|a| a.object);
    let trigger = format!("metadata: {{deploymentId: {id}}}");
    assert_eq!(savepoint_deployment_id(&yaml(&trigger)), Ok(id));
    let Ok(NewSavepoint::Trigger(savepoint)) = create(&trigger) else { panic!("not a trigger") };
    assert_eq!(
        (savepoint.status.state, savepoint.metadata.origin),
        (SavepointState::Started, SavepointOrigin::UserRequest)
    );
    assert_eq!(savepoint.metadata.annotations[SPEC_VERSION], "1");
    let register = format!(
        "metadata: {{deploymentId: {id}, type: full, annotations: {{{SPEC_VERSION}: 7}}}}\nspec: {{savepointLocation: 's3://b/sp', flinkSavepointId: 00000000-0000-0000-0000-000000000000}}\nstatus: {{state: COMPLETED}}"
    );
    let Ok(NewSavepoint::Register(savepoint)) = create(&register) else { panic!("not registered") };
    assert_eq!(
        (savepoint.status.state, savepoint.metadata.origin),
        (SavepointState::Completed, SavepointOrigin::Copied)
    );
    assert_eq!(savepoint.metadata.annotations[SPEC_VERSION], "7");
    let half = format!("metadata: {{deploymentId: {id}}}\nspec: {{savepointLocation: /x}}");
    assert_eq!(create(&half).unwrap_err().len(), 2);
    assert_eq!(
        savepoint_deployment_id(&yaml("metadata: {}")).unwrap_err()[0].path,
        "metadata.deploymentId"
    );
    assert_eq!(savepoint_deployment_id(&yaml("metadata: {deploymentId: x}")).unwrap_err().len(), 1);
}

#[test]
fn defaults_are_patched_and_checked() {
    let world = World::new();
    let patch = |current: &DeploymentDefaults, text: &str| {
        patch_defaults(current, &yaml(text), &world.ctx(1))
    };
    let layer = patch(&first_defaults(&world.ctx(1)), "spec: {deploymentTargetName: local, template: {spec: {flinkConfiguration: {a: 1, b: 2}, parallelism: 3}}}").unwrap().object;
    let next = patch(
        &layer,
        "spec: {deploymentTargetName: null, template: {spec: {flinkConfiguration: {a: null}}}}",
    )
    .unwrap()
    .object;
    assert_eq!(
        next.spec,
        json!({"template": {"spec": {"flinkConfiguration": {"b": "2"}, "parallelism": 3}}})
    );
    let problems =
        patch(&layer, "spec: {deploymentTargetName: none, template: {spec: {parallelism: 0}}}")
            .unwrap_err();
    let found: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(found, ["spec.deploymentTargetName", "spec.template.spec.parallelism"]);
}

#[test]
fn the_full_example_of_the_documentation_is_accepted() {
    let text = include_str!("../../tests/data/full-example.yaml");
    let accepted = create_deployment(&yaml(text), &World::new().ctx(1)).unwrap();
    let warned: Vec<_> = accepted.warnings.iter().map(|w| w.path.as_str()).collect();
    assert_eq!(warned, ["spec.template.spec.flinkConfiguration.high-availability"]);
    let spec = &accepted.object.spec.template.spec;
    assert_eq!(spec.artifact.flink_version.as_deref(), Some("1.12"));
    let memory: Vec<_> =
        spec.resources.iter().map(|(k, r)| (k.as_str(), r.cpu, r.memory.as_deref())).collect();
    assert_eq!(memory, [("jobmanager", 1.0, Some("1g")), ("taskmanager", 1.0, Some("2g"))]);
}

#[test]
fn large_documents_get_a_short_answer_soon() {
    let world = World::new();
    let started = std::time::Instant::now();
    let many = |shape: &str| {
        (0..5_000).map(|i| shape.replace('#', &i.to_string())).collect::<Vec<_>>().join(", ")
    };
    let texts = [
        format!("spec: {{{}}}", many("member#: 1")),
        format!("metadata: {{labels: {{{}}}}}\nspec: {{}}", many("\"!#\": '!'")),
        format!(
            "spec: {{template: {{spec: {{kubernetes: {{pods: [{}, {{$patch: merge, mergeKey: a}}]}}}}}}}}",
            many("{a: #}")
        ),
        format!(
            "spec: {{template: {{spec: {{kubernetes: {{pods: {{x: [{}]}}}}}}}}}}",
            many("{$patch: #}")
        ),
    ];
    for text in texts {
        let problems = create_deployment(&yaml(&text), &world.ctx(1)).unwrap_err();
        assert!((1..=PROBLEMS_MAX).contains(&problems.len()));
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn patching_with_nothing_keeps_the_spec(
        parallelism in prop::option::of(1..9_i32),
        config in prop::collection::btree_map("[a-z.]{1,6}", "[a-z0-9.]{0,4}", 0..4),
        target in prop::sample::select(vec!["local", "prod-eu"]),
    ) {
        let world = World::new();
        let document = Document::from_value(&json!({
            "metadata": {"name": "a"},
            "spec": {"deploymentTargetName": target, "template": {"spec": {
                "artifact": {"jarUri": "file:///a"}, "parallelism": parallelism, "flinkConfiguration": config
            }}}
        }));
        let created = create_deployment(&document, &world.ctx(1)).unwrap().object;
        let patched = world.patch(&created, "{}");
        prop_assert_eq!(&patched.spec, &created.spec);
        prop_assert_eq!(patched.spec_version(), 1);
        let put = replace_deployment(Some(&created), "a", &document, &world.ctx(1)).unwrap().object;
        prop_assert_eq!(&put.spec, &created.spec);
    }

    #[test]
    fn any_document_is_accepted_or_refused(value in crate::document::any_value(), spec in crate::document::any_value()) {
        let world = World::new();
        let current = world.create(MINIMAL);
        for value in [value, json!({"spec": spec.clone()}), json!({"spec": {"template": {"spec": spec}}})] {
            let document = Document::from_value(&value);
            let _ = create_deployment(&document, &world.ctx(1));
            let _ = patch_deployment(&current, &document, &world.ctx(1));
            let _ = create_target(&document, &world.ctx(1));
            let _ = create_savepoint(&document, &world.ctx(1), &current);
            let _ = global_defaults(&document, "1.20");
            let _ = patch_defaults(&first_defaults(&world.ctx(1)), &document, &world.ctx(1));
        }
    }
}
