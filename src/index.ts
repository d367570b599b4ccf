/** The neutral entry: everything that needs no file system. Browsers and workers load build/engine.wasm by themselves and hand it to createEngine. */
export { compile, type Image } from './compile/index.ts';
export { KnownSearches } from './compile/search/known.ts';
export { createEngine, EngineError, type EngineOptions, type EngineSession, ImageError, openImage } from './engine/index.ts';
export { extensions, findMatch, findTarget } from './extensions/index.ts';
export { HostError, type Position, RuleError } from './model/errors.ts';
export type { Host, HostInterface, Route } from './model/host.ts';
export { buildHost, type HostGiven } from './model/host-build.ts';
export type * from './model/outcome.ts';
export { DEFAULT_PROFILE, DEFAULT_SYSCTLS, type Profile } from './model/profile.ts';
export type { Chain, Family, Match, Rule, RuleSet, Table, Target } from './model/ruleset.ts';
export type { CaptureInfo, Frame, Job, OnPacket, ReplayResult } from './model/witness.ts';
export { createReference, type Explanation, explain, type ReferenceSession } from './reference/index.ts';
export { buildReport, type Report } from './report/report.ts';
export { renderText } from './report/text.ts';
export { parseRules, parseSave, parseScript, printSave } from './syntax/index.ts';
