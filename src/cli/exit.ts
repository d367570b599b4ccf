/** Exit codes, the same for every command. */
export const EXIT = {
  ok: 0,
  /** Rule sets differ, or an expectation failed. */
  differs: 1,
  /** Wrong usage, or an error in a rule file. */
  usage: 2,
  /** A capture is damaged, or nothing in it could be judged; what was read is reported. */
  damaged: 3,
  /** The environment: a file that cannot be opened, a missing tool. */
  environment: 4,
  internal: 70,
  interrupted: 130,
  /** Nobody reads standard output any more (`| head`): what a shell says of tools that SIGPIPE ends. */
  unread: 141,
} as const;

/** Wrong usage that commander cannot see. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Nobody reads standard output any more: there is nothing to say, and nobody to say it to. */
export class NobodyReads extends Error {
  override readonly name = 'NobodyReads';
}
