/** The value of -s and -d: a list of addresses with masks. */
import { maskAddress, parseAddress, parseMask, prefixMask } from '../model/address.ts';
import type { Family, Words } from '../model/ruleset.ts';
import { type Context, fail } from './context.ts';
import type { Word } from './source.ts';

export interface Network {
  address: Words;
  mask: Words;
}

/**
 * Reads `address[/mask][,address[/mask]...]`. Host and network names are refused: what they mean depends on the machine. With a mask of
 * zero the name does not matter (`any/0`), as in iptables.
 */
export function parseNetworks(word: Word, context: Context): Network[] {
  let offset = 0;
  return word.text.split(',').map((part) => {
    const at = word.quoted ? word : { ...word, position: { ...word.position, column: word.position.column + offset } };
    offset += part.length + 1;
    return parseNetwork(part.replace(/^[ \t\n\v\f\r]+/, ''), at, context);
  });
}

function parseNetwork(text: string, at: Word, context: Context): Network {
  const { family } = context;
  const slash = text.lastIndexOf('/');
  const whole = prefixMask(family === 4 ? 32 : 128, family);
  const mask = slash < 0 ? whole : parseMask(text.slice(slash + 1), family);
  if (mask === undefined) {
    const hint = `write a prefix length up to ${family === 4 ? 32 : 128} or a whole mask`;
    throw fail(context, at, `invalid mask "${text.slice(slash + 1)}"`, { hint });
  }
  if (mask.every((value) => value === 0)) return { address: mask, mask };
  const name = slash < 0 ? text : text.slice(0, slash);
  const address = parseAddress(name, family);
  if (address === undefined) throw fail(context, at, addressMessage(name), { hint: addressHint(name, family) });
  return { address: maskAddress(address, mask), mask };
}

function addressMessage(name: string): string {
  return name === '' ? 'address missing' : `"${name}" is not an address`;
}

function addressHint(name: string, family: Family): string {
  const other: Family = family === 4 ? 6 : 4;
  if (parseAddress(name, other) !== undefined)
    return `this is an IPv${other} address in IPv${family} rules (-${other} reads the file as IPv${other})`;
  if (/^-[sd]\d|^--.*=/.test(name)) return 'a blank must stand between the option and its address';
  if (name === '' || name.startsWith('-')) return 'an address must follow; leave the option out to mean any address';
  if (name === '!') return 'write the ! before the option: ! -s ADDRESS';
  if (name.includes('\r')) return 'the line ends with a carriage return (CRLF); convert the file, or use --repair';
  if (/^[\d.:/]+$/.test(name)) return `write an IPv${family} address`;
  return 'host and network names depend on the machine that resolves them; write the address';
}
