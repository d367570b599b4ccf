/** --sysctl NAME=NUMBER: names that something depends on, and numbers that the kernel takes for them. */
import { canonicalSysctl, DEFAULT_SYSCTLS, highestOf } from '../model/profile.ts';
import { likest } from '../syntax/nearest.ts';
import { UsageError } from './exit.ts';

/** Names that an error suggests. */
const SUGGESTED = 3;
const NAMES = [...Object.keys(DEFAULT_SYSCTLS), 'net.ipv4.conf.DEVICE.rp_filter', 'net.ipv4.conf.DEVICE.send_redirects'];

/**
 * The values by their names in a profile; of a name given twice the last one, as sysctl(8) writes them one after the other. `hz`: of the kernel, for times in jiffies.
 * @throws UsageError for a name that nothing depends on, and for a number the kernel refuses.
 */
export function readSysctls(texts: readonly string[], hz: number): Record<string, number> {
  const sysctls: Record<string, number> = {};
  for (const text of texts) {
    const [, given = '', value = ''] = /^\s*([^\s=]+)\s*=\s*(.*?)\s*$/.exec(text) ?? [];
    if (given === '') throw new UsageError(`--sysctl wants NAME=NUMBER, got "${text}"`);
    const name = canonicalSysctl(given);
    if (name === undefined) throw new UsageError(`--sysctl wants NAME=NUMBER, got "${text}"; ${suggestion(given)}`);
    const most = highestOf(name, hz);
    if (!/^\d+$/.test(value) || Number(value) > most)
      throw new UsageError(`--sysctl ${name} wants a number from 0 to ${most}, as the kernel does; got "${value}"`);
    sysctls[name] = Number(value);
  }
  return sysctls;
}

/** What all names begin with says nothing of which one was meant. */
const short = (name: string): string =>
  name.replaceAll('/', '.').replace(/^(proc\.sys\.)?(net\.netfilter\.)?(nf_conntrack_)?/, '');

function suggestion(given: string): string {
  const found = likest(
    short(given),
    NAMES.map((name) => short(name)),
    SUGGESTED,
  );
  const names = found.map((one) => NAMES.find((name) => short(name) === one)!);
  return names.length === 0 ? 'nothing here depends on that name' : `did you mean ${names.join(' or ')}?`;
}
