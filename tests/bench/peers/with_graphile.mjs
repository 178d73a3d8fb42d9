// graphile-worker at the work that buildd is measured at. It runs in an environment of its own: what to
// do comes by standard input, what was found goes out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const asked = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(`${asked.modules}/`);
const { Logger, makeWorkerUtils, run, runMigrations } = require("graphile-worker");

const logger = new Logger(() => () => {});
const connectionString = asked.database;

async function dispatch() {
  await runMigrations({ connectionString, logger });
  const utils = await makeWorkerUtils({ connectionString, logger });
  let begun = () => {};
  const work = () => begun(performance.now());
  // Every job is announced; the interval is for those whose announcement is lost.
  const runner = await run({ connectionString, logger, concurrency: 10, noHandleSignals: true, taskList: { work } });
  await new Promise((resolve) => setTimeout(resolve, 1000 * asked.settle));
  const waits = [];
  for (let number = 0; number < asked.jobs; number += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * asked.pause));
    const started = new Promise((resolve) => {
      begun = resolve;
    });
    const created = performance.now();
    await utils.addJob("work", {});
    waits.push((await started) - created);
  }
  await runner.stop();
  await utils.release();
  return { waits };
}

console.log(JSON.stringify(await { dispatch }[asked.work]()));
