/** What people give in the place of rules: other programs' pictures of a firewall, which lack what a rule set needs. */

export interface Foreign {
  line: number;
  message: string;
  hint: string;
}

const SAVE = 'give what iptables-save (or iptables -S) prints';

const FORMS: readonly { pattern: RegExp; message: string; hint: string }[] = [
  {
    pattern: /^Chain \S+ \((policy [A-Z]+|\d+ references)/,
    message: 'this is the list that iptables -L prints',
    hint: `it leaves out what rules match (interfaces without -v, options); ${SAVE}`,
  },
  {
    pattern: /^\s*(add )?table (ip|ip6|inet|arp|bridge|netdev) [\w-]+\s*(\{|$)/,
    message: 'these are rules of nftables',
    hint: `wasmtables reads those of iptables; if iptables-nft made them, ${SAVE}`,
  },
  { pattern: /^<\?xml\b|^<(iptables-rules|zone|direct)\b/, message: 'this is XML', hint: SAVE },
  {
    pattern: /^Status: (active|inactive)\s*$/,
    message: 'this is what "ufw status" prints',
    hint: 'give what iptables-save prints while ufw is enabled',
  },
];

/** The first line that shows such a picture; undefined when none does. */
export function foreignFormat(text: string): Foreign | undefined {
  for (const [i, line] of text.split('\n').entries()) {
    const form = FORMS.find(({ pattern }) => pattern.test(line.replace(/\r$/, '')));
    if (form !== undefined) return { line: i + 1, message: form.message, hint: form.hint };
  }
  return undefined;
}
