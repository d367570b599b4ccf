/** `-m comment`: words for people; always true. Kernel: net/netfilter/xt_comment.c. */
import type { MatchExtension } from './extension.ts';
import { Given, option, savedString, textOf, truncated } from './given.ts';

export interface CommentOptions {
  comment: string;
}

const specs = [option('comment')];
/** The kernel keeps 256 bytes with the closing zero. */
const ROOM = 255;

export const comment: MatchExtension<CommentOptions> = {
  name: 'comment',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'a comment; always matches',
  parse(given, context) {
    const all = new Given('comment', specs, given, context);
    return { comment: truncated(textOf(all.need('comment', '--comment "why"')), ROOM) };
  },
  print: ({ comment: text }) => ` --comment ${savedString(text)}`,
  evaluate: () => true,
  lower: () => [{ kind: 'constant', value: true }],
  generate: (draw) => ['--comment', draw.pick(['web', 'a rule', 'it\'s \\ "quoted"', 'x'.repeat(255)])],
  show: () => 'always true',
};
