// A Deployment's life as a client sees it that was generated from the OpenAPI document: what does not compile, or is not
// answered as the types say, fails here. Run by `cargo xtask test-api` with DREY_URL and, where a Flink is installed,
// DREY_FLINK_VERSION and DREY_JAR. Ends with a line that counts like those of `cargo test`.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Deployment = components["schemas"]["Deployment"];
type State = components["schemas"]["DeploymentState"];
type Failure = components["schemas"]["Error"];

const url = process.env["DREY_URL"];
assert(url, "DREY_URL names the server");
const api = createClient<paths>({ baseUrl: url });
const namespace = "default";
const name = "generated-client";
const TARGET = "generated-client-target";
const ALL = "/api/v1/namespaces/{namespace}/deployments";
const ONE = "/api/v1/namespaces/{namespace}/deployments/{name}";
const SAVEPOINTS = "/api/v1/namespaces/{namespace}/savepoints";
const SAVEPOINT = "/api/v1/namespaces/{namespace}/savepoints/{id}";
const one = { params: { path: { namespace, name } } };
const SPEC_VERSION = "com.dataartisans.appmanager.controller.deployment.spec.version";

/** Polls until something is there; a condition with a deadline, since the platform's API cannot be waited on. */
async function until<T>(what: string, seconds: number, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert(Date.now() < end, `not within ${seconds} s: ${what}`);
    await sleep(100);
  }
}

async function reached(state: State, seconds = 20): Promise<Deployment> {
  return until(state, seconds, async () => {
    const { data } = await api.GET(ONE, one);
    assert(data);
    if (data.status.state === "FAILED" && state !== "CANCELLED") assert.fail(await why());
    return data.status.state === state ? data : undefined;
  });
}

/** What the server itself says about where the Deployment stands. */
async function why(): Promise<string> {
  const { data } = await api.GET("/ext/v1/namespaces/{namespace}/deployments/{name}", one);
  return JSON.stringify(data?.explanation);
}

/** A refusal in the one layout. */
function refused(answer: { error?: Failure; response: Response }, status: number): Failure {
  assert.equal(answer.response.status, status);
  assert(answer.error);
  assert.equal(answer.error.statusCode, status);
  assert(answer.error.message.length > 0);
  return answer.error;
}

async function deployment(): Promise<Deployment> {
  const { data } = await api.GET(ONE, one);
  assert(data);
  return data;
}

const steps: [string, () => Promise<void>][] = [
  ["the server says what it is", async () => {
    const { data } = await api.GET("/api/v1/status/system-info");
    assert.equal(data?.kind, "SystemInformation");
  }],
  ["a target is created", async () => {
    const patch = {
      op: "add",
      path: "/spec/template/spec/flinkConfiguration/restart-strategy.type",
      value: "disable",
    };
    const { data, response } = await api.POST("/api/v1/namespaces/{namespace}/deployment-targets", {
      params: { path: { namespace } },
      body: { metadata: { name: TARGET }, spec: { local: {}, deploymentPatchSet: [patch] } },
    });
    assert.equal(response.status, 201);
    assert.equal(data?.metadata.name, TARGET);
  }],
  ["a Deployment is created, fully specified, with its target's patches", async () => {
    const { data, response } = await api.POST(ALL, {
      params: { path: { namespace } },
      body: {
        metadata: { name, labels: { made: "by-machine" } },
        spec: {
          state: "CANCELLED",
          deploymentTargetName: TARGET,
          template: {
            spec: {
              artifact: { kind: "JAR", jarUri: "file:///none.jar" },
              flinkConfiguration: { "taskmanager.numberOfTaskSlots": 2 },
            },
          },
        },
      },
    });
    assert.equal(response.status, 201);
    assert(data);
    assert.equal(response.headers.get("etag"), `"${data.metadata.resourceVersion}"`);
    assert.equal(data.spec.upgradeStrategy.kind, "STATEFUL");
    assert.equal(data.metadata.annotations[SPEC_VERSION], "1");
    const configuration = data.spec.template.spec.flinkConfiguration;
    assert.equal(configuration["taskmanager.numberOfTaskSlots"], "2");
    assert.equal(configuration["restart-strategy.type"], "disable");
  }],
  ["its name is taken", async () => {
    const spec = { deploymentTargetName: TARGET, template: { spec: { artifact: { jarUri: "file:///a.jar" } } } };
    const answer = await api.POST(ALL, { params: { path: { namespace } }, body: { metadata: { name }, spec } });
    refused(answer, 409);
  }],
  ["all mistakes of a document are named at once", async () => {
    const answer = await api.PATCH(ONE, {
      ...one,
      body: { spec: { maxJobCreationAttempts: -1, deploymentTargetName: "nowhere" } },
    });
    const problems = refused(answer, 400).context["problems"] as { path: string }[];
    assert.deepEqual(new Set(problems.map((problem) => problem.path)),
      new Set(["spec.maxJobCreationAttempts", "spec.deploymentTargetName"]));
  }],
  ["it is found by label, name and id", async () => {
    const { data: list } = await api.GET(ALL, {
      params: { path: { namespace }, query: { labelSelector: "made=by-machine" } },
    });
    assert.deepEqual(list?.items.map((item) => item.metadata.name), [name]);
    const id = list.items[0]?.metadata.id ?? "";
    const { data } = await api.GET(ONE, { params: { path: { namespace, name: id } } });
    assert.equal(data?.metadata.name, name);
  }],
  ["what was read can be sent back whole and changes nothing", async () => {
    const before = await deployment();
    const { data, response } = await api.PUT(ONE, { ...one, body: before });
    assert.equal(response.status, 200);
    assert.deepEqual(data?.spec, before.spec);
    assert.equal(data.metadata.annotations[SPEC_VERSION], "1");
  }],
  ["a stale If-Match is refused", async () => {
    const header = { "If-Match": '"0"' };
    const answer = await api.PATCH(ONE, {
      params: { ...one.params, header },
      body: { spec: { state: "SUSPENDED" } },
    });
    refused(answer, 412);
  }],
  ["it goes from CANCELLED to SUSPENDED and back", async () => {
    await reached("CANCELLED");
    await api.PATCH(ONE, { ...one, body: { spec: { state: "SUSPENDED" } } });
    const suspended = await reached("SUSPENDED");
    const whole = { ...suspended, spec: { ...suspended.spec, state: "CANCELLED" as const } };
    await api.PATCH(ONE, { ...one, body: whole });
    await reached("CANCELLED");
  }],
  ["a savepoint is registered, listed, and forgotten only with force", async () => {
    const { metadata } = await deployment();
    const { data: made, response } = await api.POST(SAVEPOINTS, {
      params: { path: { namespace } },
      body: {
        metadata: { deploymentId: metadata.id },
        spec: {
          savepointLocation: "s3://elsewhere/savepoint-1",
          flinkSavepointId: "00000000-0000-0000-0000-000000000000",
        },
        status: { state: "COMPLETED" },
      },
    });
    assert.equal(response.status, 201);
    assert.equal(made?.metadata.origin, "COPIED");
    const { data: list } = await api.GET(SAVEPOINTS, {
      params: { path: { namespace }, query: { deploymentId: metadata.id } },
    });
    assert.equal(list?.items.length, 1);
    const path = { namespace, id: made.metadata.id };
    refused(await api.DELETE(SAVEPOINT, { params: { path } }), 409);
    const forced = await api.DELETE(SAVEPOINT, { params: { path, query: { force: true } } });
    assert.equal(forced.data?.metadata.id, made.metadata.id);
  }],
  ["its target stays while it refers to it", async () => {
    const path = { namespace, name: TARGET };
    refused(await api.DELETE("/api/v1/namespaces/{namespace}/deployment-targets/{name}", { params: { path } }), 409);
  }],
  ...running(),
  ["its story is told", async () => {
    const { metadata } = await deployment();
    const { data } = await api.GET("/api/v1/namespaces/{namespace}/events", {
      params: { path: { namespace }, query: { deploymentId: metadata.id } },
    });
    assert(data?.items.every((event) => event.metadata.deploymentId === metadata.id));
    assert((data?.items.length ?? 0) > 0);
    assert.match(await why(), /"summary":"./);
  }],
  ["it is deleted, and then it is gone", async () => {
    const { data } = await api.DELETE(ONE, one);
    assert.equal(data?.metadata.name, name);
    refused(await api.GET(ONE, one), 404);
    const path = { namespace, name: TARGET };
    const target = await api.DELETE("/api/v1/namespaces/{namespace}/deployment-targets/{name}", { params: { path } });
    assert.equal(target.data?.metadata.name, TARGET);
  }],
];

/** What only a real Flink can show. */
function running(): [string, () => Promise<void>][] {
  const [flinkVersion, jarUri] = [process.env["DREY_FLINK_VERSION"], process.env["DREY_JAR"]];
  if (!flinkVersion || !jarUri) return [];
  return [
    ["it runs", async () => {
      await api.PATCH(ONE, {
        ...one,
        body: {
          spec: {
            state: "RUNNING",
            // A savepoint was there once; only this says that starting without one is meant.
            restoreStrategy: { kind: "NONE" },
            template: { spec: { artifact: { jarUri, flinkVersion } } },
          },
        },
      });
      const { status } = await reached("RUNNING", 120);
      assert(status.running?.jobId);
      refused(await api.DELETE(ONE, one), 409);
    }],
    ["a savepoint is taken of it", async () => {
      const { metadata } = await deployment();
      const { data } = await api.POST(SAVEPOINTS, {
        params: { path: { namespace } },
        body: { metadata: { deploymentId: metadata.id } },
      });
      assert.equal(data?.status.state, "STARTED");
      const path = { namespace, id: data.metadata.id };
      const location = await until("COMPLETED", 60, async () => {
        const { data: now } = await api.GET(SAVEPOINT, { params: { path } });
        return now?.status.state === "COMPLETED" ? now.spec.savepointLocation : undefined;
      });
      assert(location.length > 0);
    }],
    ["it is suspended with its state, and then cancelled", async () => {
      await api.PATCH(ONE, { ...one, body: { spec: { state: "SUSPENDED" } } });
      await reached("SUSPENDED", 90);
      await api.PATCH(ONE, { ...one, body: { spec: { state: "CANCELLED" } } });
      await reached("CANCELLED", 60);
    }],
  ];
}

let passed = 0;
let failed = 0;
for (const [title, step] of steps) {
  try {
    await step();
    passed += 1;
    console.log(`test client::${title} ... ok`);
  } catch (error) {
    failed += 1;
    console.log(`test client::${title} ... FAILED\n${error instanceof Error ? error.stack : error}`);
    break;
  }
}
if (failed) {
  // No Flink may outlive its server.
  await api.PATCH(ONE, { ...one, body: { spec: { state: "CANCELLED" } } });
  await reached("CANCELLED", 60).catch(() => console.log("its job may still run"));
}
const missed = steps.length - passed - failed;
console.log(`\ntest result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; ${missed} ignored;`);
process.exitCode = failed ? 1 : 0;
