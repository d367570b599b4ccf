// npm start: installs, builds and replays the bundled seed scenario: the two orders of the same rules side by side.
import { build, COMMAND_ENGINES, install, root, runCommand } from './ready.mjs';

install();
build(COMMAND_ENGINES);
const seed = 'pcaps/seed';
const args = process.argv.slice(2);
process.exitCode = runCommand(process.execPath, [
  `${root}/bin/wasmtables.js`,
  ...(args.length > 0
    ? args
    : [
        'replay',
        '-R',
        `${seed}/server-mail-web-dns.rules.v4`,
        '-R',
        `${seed}/server-dns-web-mail.rules.v4`,
        '-r',
        `${seed}/traffic.pcap`,
      ]),
]);
