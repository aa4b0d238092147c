//! Requests to shared clusters against answers that real JobManagers gave.

use drey_model::Job;
use drey_model::job::{JobMetadata, JobSpec};
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::{body_json, body_string_contains, header_regex, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::api::FlinkApi;
use crate::client::BODY_BYTES_MAX;

fn job() -> Job {
    let metadata = JobMetadata { id: Uuid::from_u128(0xabc), ..JobMetadata::default() };
    let mut spec = JobSpec { parallelism: 2, ..JobSpec::default() };
    spec.artifact.flink_version = Some("2.2".to_owned());
    spec.savepoint_location = Some("file:///sp/1".to_owned());
    let user = [("restart-strategy", "none"), ("rest.port", "1"), ("parallelism.default", "9")];
    spec.user_flink_configuration =
        user.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
    Job::new(metadata, spec)
}

fn args() -> Vec<String> {
    vec!["--rate".to_owned(), "a b".to_owned()]
}

async fn run(status: u16, body: Value) -> Result<(), Error> {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_json(body);
    let at = "/v1/jars/x_app.jar/run";
    Mock::given(method("POST")).and(path(at)).respond_with(answer).mount(&server).await;
    let job = job();
    let (args, settings) = (args(), TextMap::new());
    let s = Submission {
        job: &job,
        jar: "x_app.jar",
        class: "a.Main",
        args: &args,
        settings: &settings,
    };
    Client::new().unwrap().run(&server.uri(), s).await
}

#[tokio::test]
async fn a_submission_has_our_id_the_snapshot_and_only_what_a_job_may_say() {
    let server = MockServer::start().await;
    let expected = json!({
        "entryClass": "a.Main", "programArgsList": ["--rate", "a b"], "parallelism": 2,
        "jobId": "00000000000000000000000000000abc", "savepointPath": "file:///sp/1",
        "allowNonRestoredState": false, "claimMode": "NO_CLAIM",
        "flinkConfiguration": {"python.files": "/c/lib.whl", "restart-strategy.type": "none"},
    });
    Mock::given(method("POST"))
        .and(path("/v1/jars/j/run"))
        .and(body_json(&expected))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"jobid": "abc"})))
        .expect(1)
        .mount(&server)
        .await;
    let job = job();
    let settings: TextMap = [("python.files".to_owned(), "/c/lib.whl".to_owned())].into();
    let s = Submission { job: &job, jar: "j", class: "a.Main", args: &args(), settings: &settings };
    assert_eq!(Client::new().unwrap().run(&server.uri(), s).await, Ok(()));
}

#[tokio::test]
async fn what_surely_did_not_happen_is_told_apart_from_what_may_have() {
    let chain = |cause: &str| {
        json!({"errors": [format!("org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute \
               application.\n\tat x\nCaused by: {cause}\n\tat y")]})
    };
    let duplicate = "org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has already been submitted.";
    assert_eq!(run(400, chain(duplicate)).await, Ok(()));
    let refused = run(400, chain("java.lang.IllegalStateException: boom")).await;
    assert!(matches!(refused, Err(Error::Refused { why, .. }) if why.ends_with("boom")));
    let no_class = "org.apache.flink.client.program.ProgramInvocationException: The program's entry point class 'x' was not found";
    assert!(matches!(run(500, chain(no_class)).await, Err(Error::Refused { .. })));
    let gone =
        json!({"errors": ["Internal server error.", "Jar file /tmp/nope.jar does not exist"]});
    assert!(matches!(run(500, gone).await, Err(Error::NotAsked { .. })));
    assert!(matches!(run(503, chain("no leader")).await, Err(Error::Unknown { .. })));
    let job = job();
    let settings = TextMap::new();
    let s = Submission { job: &job, jar: "j", class: "a.Main", args: &[], settings: &settings };
    let nobody = Client::new().unwrap().run("http://127.0.0.1:1", s).await;
    assert!(matches!(nobody, Err(Error::NotAsked { .. })), "{nobody:?}");
}

/// As Flink 1.20.5 and 2.2.1 answer, without most frames.
fn program_failed(cause: &str) -> Value {
    let trace = format!(
        "org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.\n\
         \tat org.apache.flink.runtime.webmonitor.handlers.JarRunHandler.lambda$handleRequest$1(JarRunHandler.java:114)\n\
         Caused by: java.util.concurrent.CompletionException: org.apache.flink.util.FlinkRuntimeException: Could not execute application.\n\
         \t... 1 more\n\
         Caused by: org.apache.flink.util.FlinkRuntimeException: Could not execute application.\n\
         \t... 1 more\n\
         Caused by: org.apache.flink.client.program.ProgramInvocationException: The main method caused an error: {cause}\n\
         \t... 7 more\n"
    );
    json!({ "errors": ["Internal server error.", format!("<Exception on server side:\n{trace}\nEnd of exception on server side>")] })
}

#[tokio::test]
async fn a_time_out_within_flink_leaves_open_whether_it_took_the_job() {
    for call in ["submitJob(JobGraph, Time)", "submitJob(ExecutionPlan, Duration)"] {
        let answer = program_failed(&format!(
            "Failed to execute job 'x'.\n\
             Caused by: org.apache.flink.util.FlinkException: Failed to execute job 'x'.\n\
             \tat org.apache.flink.streaming.api.environment.StreamExecutionEnvironment.executeAsync(StreamExecutionEnvironment.java:2486)\n\
             Caused by: java.util.concurrent.TimeoutException: Invocation of [LocalRpcInvocation(DispatcherGateway.{call})] at \
             recipient [pekko.tcp://flink@127.0.0.1:43809/user/rpc/dispatcher_1] timed out. This is usually caused by: 1) Pekko \
             failed sending the message silently.\n\
             Caused by: org.apache.pekko.pattern.AskTimeoutException: Ask timed out on \
             [Actor[pekko://flink/user/rpc/dispatcher_1#-187943676]] after [1 ms]."
        ));
        let silent = run(400, answer).await;
        assert!(matches!(silent, Err(Error::Unknown { .. })), "{silent:?}");
    }
}

#[tokio::test]
async fn a_program_that_gave_up_waiting_has_failed_and_says_why() {
    let of_a_client = "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment. Call: describeTopics";
    let wrapped = format!(
        "{of_a_client}\nCaused by: java.util.concurrent.ExecutionException: {of_a_client}\n\t... 7 more\nCaused by: {of_a_client}"
    );
    let of_java = "null\nCaused by: java.util.concurrent.TimeoutException\n\
                   \tat java.base/java.util.concurrent.CompletableFuture.timedGet(CompletableFuture.java:1960)";
    for (cause, told) in
        [(wrapped.as_str(), of_a_client), (of_java, "java.util.concurrent.TimeoutException")]
    {
        let failed = run(400, program_failed(cause)).await;
        assert_eq!(failed, Err(Error::Refused { what: SUBMIT, why: told.to_owned() }));
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let endless = "x".repeat(BODY_BYTES_MAX + 1);
    let said = |error: &Error| error.to_string().contains("longer than");
    let submitted = run(200, json!({ "jobid": endless })).await.unwrap_err();
    assert!(matches!(submitted, Error::Unknown { .. }) && said(&submitted), "{submitted}");

    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_string(endless);
    Mock::given(path("/v1/jars/upload")).respond_with(answer).mount(&server).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let uploaded = Client::new().unwrap().upload(&server.uri(), file.path(), "a.jar").await;
    let uploaded = uploaded.unwrap_err();
    assert!(matches!(uploaded, Error::NotAsked { .. }) && said(&uploaded), "{uploaded}");
}

#[tokio::test]
async fn an_upload_is_one_form_with_one_file_and_yields_flinks_id() {
    let server = MockServer::start().await;
    let reply = json!({"filename": "/tmp/flink-web-upload/7e77_drey-ab.jar", "status": "success"});
    Mock::given(method("POST"))
        .and(path("/v1/jars/upload"))
        .and(header_regex("content-type", "^multipart/form-data; boundary=drey-"))
        .and(header_regex("content-length", "^[0-9]+$"))
        .and(body_string_contains("name=\"jarfile\"; filename=\"drey-ab.jar\""))
        .and(body_string_contains("\r\n\r\nthe bytes\r\n--drey-"))
        .respond_with(ResponseTemplate::new(200).set_body_json(reply))
        .mount(&server)
        .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "the bytes").unwrap();
    let id = Client::new().unwrap().upload(&server.uri(), file.path(), "drey-ab.jar").await;
    assert_eq!(id, Ok("7e77_drey-ab.jar".to_owned()));
}

#[tokio::test]
async fn task_managers_and_programs_are_read_as_flink_lists_them() {
    let server = MockServer::start().await;
    let managers = json!({"taskmanagers": [
        {"id": "tm-1", "slotsNumber": 2, "freeSlots": 1, "hardware": {}}, {"id": "tm-2"}]});
    let jars = json!({"address": "x", "files": [{"id": "i_a.jar", "name": "a.jar", "uploaded": 1, "entry": []}]});
    for (at, body) in [("/v1/taskmanagers", managers), ("/v1/jars", jars)] {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(&server).await;
    }
    let client = Client::new().unwrap();
    let tm = |id: &str, slots, free_slots| TaskManager { id: id.to_owned(), slots, free_slots };
    let found = client.task_managers(&server.uri()).await;
    assert_eq!(found, Seen::Present(vec![tm("tm-1", 2, 1), tm("tm-2", 0, 0)]));
    let jar = Jar { id: "i_a.jar".to_owned(), name: "a.jar".to_owned() };
    assert_eq!(client.jars(&server.uri()).await, Seen::Present(vec![jar]));
    assert!(matches!(client.jars("http://127.0.0.1:1").await, Seen::Unknown { .. }));
}
