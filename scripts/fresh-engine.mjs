// Before vitest runs tests, however it was started: no test takes an engine that is older than its sources. Where npm test has built, nothing is left to do.
import { buildEngine } from './ready.mjs';

export default function setup(project) {
  buildEngine();
  project.onTestsRerun(() => buildEngine());
}
