//! What holds for every document that is accepted: reading it back and writing it again changes nothing, a PATCH is a
//! merge patch (RFC 7396), and JSON and YAML say the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

use drey_model::defaults::{Layers, fill_absent};
use drey_model::document::{Document, Format, parse, to_json_pretty, to_yaml};
use drey_model::meta::Metadata;
use drey_model::session_cluster::SessionClusterSpec;
use drey_model::write::{
    WriteContext, create_deployment, create_target, local_target, patch_deployment,
    replace_deployment, replace_target,
};
use drey_model::{Deployment, DeploymentSpec, DeploymentTarget, Problem, SessionCluster};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

/// Free keys that the defaults of the namespace supply.
const SUPPLIED: [&str; 2] = ["a", "b.c"];

struct World {
    layers: Layers,
    targets: Vec<DeploymentTarget>,
    session_clusters: Vec<SessionCluster>,
}

impl World {
    fn new() -> Self {
        let layer = json!({"spec": {"deploymentTargetName": "local", "template": {"spec": {
            "numberOfTaskManagers": 3, "flinkConfiguration": {"a": "1", "b.c": "2"},
            "kubernetes": {"pods": {"volumes": [{"name": "v", "x": 1}]}, "labels": {"l": "m"}},
        }}}});
        let layers = Layers::new("1.20", [layer]);
        let metadata = Metadata { name: "shared".to_owned(), ..Metadata::default() };
        let session_clusters = vec![SessionCluster::new(metadata, SessionClusterSpec::default())];
        let mut world = Self { layers, targets: Vec::new(), session_clusters };
        let local = local_target(&world.ctx());
        let patched = create_target(
            &Document::from_value(&json!({"metadata": {"name": "patched"}, "spec": {
                "kubernetes": {}, "deploymentPatchSet": [
                    {"op": "add", "path": "/spec/template/spec/flinkConfiguration/set", "value": 5},
                    {"op": "add", "path": "/metadata/labels/where", "value": "eu"},
                ],
            }})),
            &world.ctx(),
        );
        world.targets.extend([local, patched.unwrap().object]);
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

    fn create(&self, document: &Value) -> Result<Deployment, Vec<Problem>> {
        create_deployment(&Document::from_value(document), &self.ctx()).map(|a| a.object)
    }
}

/// A text in JSON and in YAML, read again.
fn written(value: &impl serde::Serialize) -> [Document; 2] {
    let (json, yaml) = (to_json_pretty(value).unwrap(), to_yaml(value).unwrap());
    [parse(json.as_bytes(), Format::Json).unwrap(), parse(yaml.as_bytes(), Format::Yaml).unwrap()]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[ -~é\n]{0,10}",
        prop::sample::select(vec!["1.20", "no", "~", "0x1", "null"]).prop_map(str::to_owned)
    ]
}

/// Texts by free keys, some of which the defaults supply too; null asks for their removal.
fn texts() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["a", "b.c", "d", "e/f~g", "taskmanager.memory"]);
    let value = prop_oneof![
        4 => text().prop_map(Value::from), 1 => any::<i32>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from), 1 => Just(Value::Null)
    ];
    prop::collection::btree_map(key.prop_map(str::to_owned), value, 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// Anything that Kubernetes might want to see.
fn opaque() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!(0.5)),
    ];
    let any = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-c]", any, 0..3)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn artifact() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"kind": "JAR", "jarUri": "file:///a.jar"})),
        Just(json!({"jarUri": "s3://b/a.jar?x=1", "entryClass": "A", "mainArgs": "--a 'b c'"})),
        Just(json!({"kind": "sqlscript", "sqlScript": "SELECT 1;\n", "jarUri": "file:///b.jar"})),
        Just(
            json!({"kind": "Python", "pythonArtifactUri": "file:///a.py", "additionalDependencies": ["s3://b/c"]})
        ),
        Just(
            json!({"jarUri": "file:///a.jar", "flinkVersion": 1.18, "additionalDependencies": []})
        ),
    ]
}

/// Members of a spec by path, each there or not, some null.
fn members() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let word =
        |words: &'static [&'static str]| prop::sample::select(words.to_vec()).prop_map(Value::from);
    let all: Vec<(&'static str, BoxedStrategy<Value>)> = vec![
        ("/state", word(&["RUNNING", "suspended", "Canceled"]).boxed()),
        ("/upgradeStrategy/kind", word(&["STATELESS", "none"]).boxed()),
        ("/restoreStrategy/kind", word(&["latest_savepoint", "NONE"]).boxed()),
        ("/restoreStrategy/allowNonRestoredState", any::<bool>().prop_map(Value::from).boxed()),
        ("/maxJobCreationAttempts", (1..9).prop_map(Value::from).boxed()),
        ("/jobFailureExpirationTime", word(&["321 s", "5min"]).boxed()),
        ("/template/metadata/annotations", texts().boxed()),
        (
            "/template/spec/parallelism",
            prop_oneof![(1..9).prop_map(Value::from), Just(json!("4"))].boxed(),
        ),
        ("/template/spec/numberOfTaskManagers", (1..9).prop_map(Value::from).boxed()),
        ("/template/spec/flinkConfiguration", texts().boxed()),
        ("/template/spec/resources/taskmanager", Just(json!({"cpu": 0.5, "memory": "3g"})).boxed()),
        (
            "/template/spec/logging/log4jLoggers",
            Just(json!({"": "DEBUG", "org.x": "warn"})).boxed(),
        ),
        ("/template/spec/kubernetes/pods", opaque().boxed()),
    ];
    let each = all.into_iter().map(|(path, value)| {
        let maybe =
            prop_oneof![3 => Just(None), 3 => value.prop_map(Some), 1 => Just(Some(Value::Null))];
        maybe.prop_map(move |value| value.map(|value| (path, value)))
    });
    each.collect::<Vec<_>>().prop_map(|found| found.into_iter().flatten().collect())
}

fn spec(members: Vec<(&'static str, Value)>) -> Value {
    let mut spec = json!({});
    for (path, value) in members {
        let names: Vec<&str> = path.split('/').skip(1).collect();
        let mut at = &mut spec;
        for name in names {
            at = &mut at[name];
        }
        *at = value;
    }
    spec
}

prop_compose! {
    fn document()(
        members in members(),
        artifact in artifact(),
        place in prop::sample::select(vec![json!({}), json!({"deploymentTargetName": "patched"}), json!({"sessionClusterName": "shared"})]),
        labels in prop::collection::btree_map("[a-z]{1,3}", "[a-z0-9]{0,3}", 0..3),
        annotations in texts(),
        display_name in prop::option::of(text()),
    ) -> Value {
        let mut spec = spec(members);
        // Python programs run on no SessionCluster.
        let is_python = artifact["kind"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("PYTHON"));
        spec["template"]["spec"]["artifact"] = artifact;
        let place = if is_python && place["sessionClusterName"].is_string() { json!({}) } else { place };
        spec.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        json!({
            "metadata": {"name": "x", "labels": labels, "annotations": annotations, "displayName": display_name},
            "spec": spec,
        })
    }
}

/// Free keys of the defaults that the document takes out by null.
fn takes_out(document: &Value) -> bool {
    let configuration = &document["spec"]["template"]["spec"]["flinkConfiguration"];
    SUPPLIED.iter().any(|key| configuration.get(key).is_some_and(Value::is_null))
}

fn is_filled(problem: &&Problem) -> bool {
    problem.message.starts_with("Filled in from the defaults")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_was_read_can_be_written_back(document in document()) {
        let world = World::new();
        let before = world.create(&document).unwrap();
        for read in written(&before) {
            let accepted = replace_deployment(Some(&before), "x", &read, &world.ctx()).unwrap();
            let after = accepted.object;
            let filled: Vec<_> = accepted.warnings.iter().filter(is_filled).collect();
            prop_assert_eq!(after.metadata.resource_version, 2);
            prop_assert_eq!(&after.metadata.labels, &before.metadata.labels);
            prop_assert_eq!(&after.metadata.display_name, &before.metadata.display_name);
            if takes_out(&document) {
                // A PUT runs the whole merge (Q11), so such keys come back; but not in silence.
                prop_assert_eq!(filled.is_empty(), after.spec == before.spec);
            } else {
                prop_assert_eq!(&after.spec, &before.spec);
                prop_assert_eq!(&after.metadata.annotations, &before.metadata.annotations);
                prop_assert!(filled.is_empty(), "{:?}", filled);
            }
            // Clients send the whole document as a PATCH, too.
            let patched = patch_deployment(&before, &read, &world.ctx()).unwrap().object;
            prop_assert_eq!(&patched.spec, &before.spec);
            prop_assert_eq!(&patched.metadata.annotations, &before.metadata.annotations);
        }
    }

    #[test]
    fn a_patch_is_a_merge_patch(document in document(), members in members(), labels in texts()) {
        let world = World::new();
        let before = world.create(&document).unwrap();
        let patch = json!({"metadata": {"annotations": labels}, "spec": spec(members)});
        let after = patch_deployment(&before, &Document::from_value(&patch), &world.ctx()).unwrap().object;

        // What the server makes of spelling is not the subject here.
        let shape = &drey_model::shape::tables::DEPLOYMENT;
        let read = |value: &Value| drey_model::shape::normalise(&Document::from_value(value), shape, "x").value;
        let mut expected = read(&json!({
            "metadata": {"annotations": before.metadata.annotations}, "spec": before.spec,
        }));
        json_patch::merge(&mut expected, &read(&patch));
        let spec = fill_absent(&world.layers, &json!({"spec": expected["spec"]})).unwrap()["spec"].clone();
        let mut spec: DeploymentSpec = serde_json::from_value(spec).unwrap();
        if spec.deployment_target_name.as_deref() == Some("patched") {
            spec.template.spec.flink_configuration.insert("set".to_owned(), "5".to_owned());
        }
        prop_assert_eq!(&after.spec, &spec);
        let mut annotations = json!(after.metadata.annotations);
        for map in [&mut annotations, &mut expected["metadata"]["annotations"]] {
            map.as_object_mut().unwrap().remove(drey_model::meta::SPEC_VERSION);
        }
        prop_assert_eq!(&annotations, &expected["metadata"]["annotations"]);
    }

    #[test]
    fn json_and_yaml_say_the_same(document in document()) {
        let world = World::new();
        let created = world.create(&document).unwrap();
        for read in written(&document) {
            let accepted = create_deployment(&read, &world.ctx()).unwrap();
            prop_assert_eq!(&accepted.object, &created);
        }
        let [json, yaml] = written(&created);
        prop_assert_eq!(json.to_value(), yaml.to_value());
        prop_assert_eq!(json.to_value(), serde_json::to_value(&created).unwrap());
    }

    #[test]
    fn every_deployment_is_fully_specified(document in document(), members in members()) {
        let world = World::new();
        let created = world.create(&document).unwrap();
        let patch = Document::from_value(&json!({"spec": spec(members)}));
        let patched = patch_deployment(&created, &patch, &world.ctx()).unwrap().object;
        for deployment in [created, patched] {
            let spec = &deployment.spec.template.spec;
            let is_session = deployment.spec.session_cluster_name.is_some();
            prop_assert!(deployment.spec.deployment_target_name.is_some() != is_session);
            prop_assert!(spec.parallelism.is_some());
            if !is_session {
                prop_assert!(spec.artifact.flink_version.is_some());
                prop_assert!(spec.number_of_task_managers.is_some() && spec.logging.is_some());
                prop_assert_eq!(spec.resources.len(), 2);
                prop_assert!(spec.resources.values().all(|r| r.memory.is_some()));
            }
        }
    }

    #[test]
    fn a_target_can_be_written_back(labels in prop::collection::btree_map("[a-z]{1,3}", "[a-z0-9]{0,3}", 0..3), annotations in texts(), value in opaque()) {
        let world = World::new();
        let document = json!({"metadata": {"name": "T", "labels": labels, "annotations": annotations}, "spec": {
            "kubernetes": {"namespace": null}, "deploymentPatchSet": [{"op": "add", "path": "/spec/x", "value": value}],
        }});
        let before = create_target(&Document::from_value(&document), &world.ctx()).unwrap().object;
        for read in written(&before) {
            let after = replace_target(&before, &read, &world.ctx()).unwrap().object;
            prop_assert_eq!(after.metadata.resource_version, 2);
            prop_assert_eq!((&after.spec, &after.metadata.labels), (&before.spec, &before.metadata.labels));
            prop_assert_eq!(&after.metadata.annotations, &before.metadata.annotations);
        }
    }
}
