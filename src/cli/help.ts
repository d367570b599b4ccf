/** How all commands show their help: as wide as a page, choices in one way, examples at the end. */
import type { Command, Option } from 'commander';

/** Columns, unless the terminal has fewer. */
const WIDTH = 100;

/** What a command shows below its options: pairs of a command line and what comes of it. */
export function withExamples(command: Command, examples: readonly (readonly [line: string, about: string])[]): Command {
  const text = examples.map(([line, about]) => `  ${line}\n      ${about}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}

/** Sets the style of one command's help. */
export function styledHelp(command: Command): Command {
  return command.configureHelp({
    helpWidth: Math.min(WIDTH, process.stdout.columns ?? WIDTH),
    sortSubcommands: false,
    optionDescription: described,
  });
}

/** `which iptables (legacy, nft; default legacy)`. */
function described(option: Option): string {
  const { argChoices, defaultValue, description } = option;
  const choices = argChoices?.join(', ') ?? '';
  const takesValue = option.required || option.optional;
  const shown = takesValue && defaultValue !== undefined && !(Array.isArray(defaultValue) && defaultValue.length === 0);
  const extra = [choices, shown ? `default ${String(defaultValue)}` : ''].filter((part) => part !== '');
  return extra.length === 0 ? description : `${description} (${extra.join('; ')})`;
}
