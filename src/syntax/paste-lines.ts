/** What a line of a pasted text is: a rule, a command, a line of a shell script, a sentence. */
import { KNOWN_COMMANDS } from './commands.ts';
import { WRAPPER_NAMES } from './wrappers.ts';

/** Hyphen, and what word processors make of it. */
const DASH = '[-\\u2010-\\u2015\\u2212\\ufe58\\uff0d\\u00ad]';
const SUDO = `(?:(?:${WRAPPER_NAMES.join('|')})\\s+(?:(?:-\\S+|\\w+=\\S*|root|\\d+[smhd]?)\\s+)*|ip\\s+netns\\s+exec\\s+\\S+\\s+)*`;
const LETTER = '(?:[ACDEINPR]\\s|[FLSXZ](?:\\s|$))';
const NAME =
  '(?:(?:append|check|delete|insert|replace|policy|new-chain|rename-chain)\\s|(?:flush|list|list-rules|delete-chain|zero)(?:\\s|$))';
const RULE = `(?:\\[\\d*:\\d*\\]\\s*)?${DASH}{1,2}(?:${LETTER}|${NAME})`;
const DUMP = '(?:\\*(?:raw|mangle|nat|filter|security)\\b|:[^\\s:]+\\s+(?:[A-Z]+|-)(?:\\s|$)|COMMIT\\b)';
const TOOL = '(?:\\S*/)?ip6?tables(?:-legacy|-nft)?';
const COMMAND = `(?:${SUDO}(?:${TOOL}|\\$\\{?\\w+\\}?)\\s+${DASH})`;
const RESTORE = `${SUDO}${TOOL}-restore\\b`;
const SERVICE = `${SUDO}(?:service\\s+ip6?tables|/etc/init\\.d/ip6?tables|${TOOL}-save)\\b`;

const at = (...kinds: string[]) => new RegExp(`^(?:${kinds.join('|')})`);
const IS_RULE = at(RULE);
const IS_DUMP = at(DUMP);
const IS_COMMAND = at(COMMAND);
const IS_SERVICE = at(SERVICE);
/** What may stand behind a list number, a bullet or a prompt. */
const START = `(?=${RULE}|${DUMP}|${COMMAND}|${SERVICE}|\\w+=|#)`;
const AFTER_PROMPT = `(?=${RULE}|${COMMAND}|${SERVICE})`;

const QUOTE = /^(?:[ \t\u00a0]*[>|])+[ \t\u00a0]?/;
const NUMBER = new RegExp(`^\\s*(?:\\d{1,4}\\s*[.):]?|[*\\u2022\\u2023\\u25aa\\u00b7]|${DASH})\\s+${START}`);
const PROMPT = new RegExp(`^(?:\\[[^\\]]*\\]|[\\w.-]+(?:@[\\w.-]+)?(?::\\s?[~\\w/.-]*)?)?\\s*[#$%]\\s+${AFTER_PROMPT}`);

/** How a line begins that holds rules; undefined when it begins otherwise. */
export type Start = 'rule' | 'dump' | 'command' | 'service';

/** `text` without blanks in front. */
export function startKind(text: string): Start | undefined {
  if (IS_RULE.test(text)) return 'rule';
  if (IS_DUMP.test(text)) return 'dump';
  if (IS_COMMAND.test(text)) return 'command';
  return IS_SERVICE.test(text) ? 'service' : undefined;
}

const TOOL_FIRST = new RegExp(`^\\s*${SUDO}\\S+\\s+`);

/** Length of the command's name, and of what runs it, in front of a rule. */
export const commandLength = (text: string): number => TOOL_FIRST.exec(text)?.[0].length ?? 0;

/** Length of the marks a mail puts in front of a quoted line. */
export const quoteLength = (text: string): number => QUOTE.exec(text)?.[0].length ?? 0;
/** Length of a list's number or bullet in front of a rule. */
export const numberLength = (text: string): number => NUMBER.exec(text)?.[0].length ?? 0;

/** Length of a prompt in front of a command; `root`: it is a bare "#", which may as well begin a comment. */
export function promptLength(text: string): { length: number; root: boolean } {
  const bare = text.trimStart();
  const length = PROMPT.exec(bare)?.[0].length ?? 0;
  return { length: length === 0 ? 0 : length + text.length - bare.length, root: bare.startsWith('#') };
}

/** Something that looks like an option. */
const OPTION = new RegExp(`(?:^|\\s)(?:${DASH}{1,2}[A-Za-z]|!\\s)`);
const OPTION_FIRST = new RegExp(`^(?:${DASH}{1,2}[A-Za-z]|!)`);
const OPTION_LAST = new RegExp(`(?:^|\\s)(?:${DASH}{1,2}[A-Za-z][\\w-]*|!)$`);
/** A line this long was probably wrapped by a mail program. */
const WRAPPED = 55;

/** Whether `text` goes on with the rule in `before`, which ends without a mark that it would. */
export function continues(before: string, text: string): boolean {
  if (OPTION_FIRST.test(text) || OPTION.test(text)) return true;
  const value = /^[\w.,:/+-]*\w[\w.,:/+-]*$/.test(text.trim());
  return OPTION_LAST.test(before.trimEnd()) || (before.length >= WRAPPED && value);
}

const COMMON_WORDS = new Set(
  (
    'a about all an and any are as at be but by can could do does for from have hello help here hi how i if in is it me my no not of on or our please ' +
    'regards cheers greetings should so some thank thanks that the them then there these they this to us use want was we what when which why will with would you your'
  ).split(' '),
);

/** Whether a line reads like a sentence: everyday words, or an end like a sentence's. */
export function isSentence(text: string): boolean {
  const words = text.toLowerCase().split(/\s+/);
  const common = new Set(words.map((word) => word.replace(/['\u2019].*$|[^a-z]/g, '')).filter((word) => COMMON_WORDS.has(word)));
  if (common.size >= 2) return true;
  if (OPTION.test(text)) return false;
  return /^[A-Za-z]/.test(text) && (/[.,:?!]$/.test(text.trim()) || /[a-z]['\u2019][a-z]/.test(text) || common.size > 0);
}

/** Whether nothing in a line looks like a part of a rule: no option, no name of a built-in chain or a verdict. */
export const hasNoRule = (text: string): boolean =>
  !OPTION.test(text) && !/\b(INPUT|OUTPUT|FORWARD|(PRE|POST)ROUTING|ACCEPT|DROP|REJECT|RETURN)\b/.test(text);

const IS_RESTORE = at(RESTORE);

/** Whether a shell would know what to do with a line. */
export function isShell(text: string): boolean {
  const [first = ''] = text.split(/[\s;]/);
  if (IS_COMMAND.test(text) || IS_SERVICE.test(text) || IS_RESTORE.test(text)) return true;
  return /^\w+=|^[[\](){}<>|&;$]|^[\w./-]+\s+["$]/.test(text) || KNOWN_COMMANDS.has(first.replace(/^.*\//, ''));
}
