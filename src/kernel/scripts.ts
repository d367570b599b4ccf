/**
 * The three Perl programs that run inside the namespaces. Perl, because it is part of every Debian and can open raw, packet
 * and netlink sockets, which Node cannot. They know nothing of rules: all planning and all reading of results is in TypeScript.
 */

/** Priority of the injector's own socket: what tells its packets from the kernel's answers in OUTPUT (`meta priority`). */
export const INJECT_PRIORITY = 0x5741_5342;

/**
 * Process 1 of the namespaces. Arguments: network namespace of the parent, of process 1 of the machine ('' when unknown).
 * Refuses to work in either. Then, until standard input ends: reads a command, does it, answers.
 * Command: u32 length, then a list of (u32 length, bytes). First item `W`: pairs of path and content to write.
 * `R`: standard input, then argv, run without a shell; its files live in a tmpfs that nobody else sees.
 * `A`: seconds the next command may take. Answer: u32 exit code, u32 length, stdout, u32 length, stderr. All little endian.
 */
export const AGENT = String.raw`
use strict; use POSIX ();
my ($parent, $init) = @ARGV;
my $own = readlink('/proc/self/ns/net') || '';
if ($own eq '' || $own eq $parent || $own eq $init || $$ != 1) {
  print STDERR "oracle: refusing to run outside a namespace of its own\n"; POSIX::_exit(97);
}
$SIG{ALRM} = sub { POSIX::_exit(98) };
$SIG{PIPE} = sub { POSIX::_exit(99) };
binmode STDIN; binmode STDOUT;
my $limit = 60;
sub take { my $n = shift; my $all = '';
  while (length($all) < $n) { my $got = sysread(STDIN, $all, $n - length($all), length($all)); POSIX::_exit(0) unless $got; }
  return $all; }
sub give { my $all = join('', @_); my $at = 0;
  while ($at < length($all)) { my $put = syswrite(STDOUT, $all, length($all) - $at, $at); POSIX::_exit(99) unless defined $put; $at += $put; } }
sub answer { my ($code, $out, $err) = @_; give(pack('V', $code), pack('V/a*', $out), pack('V/a*', $err)); }
sub spill { my ($path, $text) = @_; open(my $f, '>', $path) or return "$path: $!"; binmode $f;
  (print $f $text) or return "$path: $!"; close($f) or return "$path: $!"; return ''; }
sub slurp { my $path = shift; open(my $f, '<', $path) or return ''; binmode $f; local $/; my $all = <$f>; return defined $all ? $all : ''; }
sub run { my ($in, @argv) = @_;
  my $bad = spill('/run/oracle.in', $in); return answer(126, '', $bad) if $bad;
  my $pid = fork(); return answer(126, '', "fork: $!") unless defined $pid;
  if ($pid == 0) {
    open(STDIN, '<', '/run/oracle.in'); open(STDOUT, '>', '/run/oracle.out'); open(STDERR, '>', '/run/oracle.err');
    exec { $argv[0] } @argv or do { print STDERR "$argv[0]: $!\n"; POSIX::_exit(127); };
  }
  my $got; do { $got = waitpid(-1, 0) } while ($got != $pid && $got > 0);
  my $code = ($? & 127) ? 128 + ($? & 127) : $? >> 8;
  answer($code, slurp('/run/oracle.out'), slurp('/run/oracle.err')); }
if (system('mount', '-t', 'tmpfs', 'tmpfs', '/run') != 0) { print STDERR "oracle: cannot mount a private /run\n"; POSIX::_exit(97); }
answer(0, $own, '');
while (1) {
  alarm(600);
  my ($op, @items) = unpack('(V/a*)*', take(unpack('V', take(4))));
  alarm($limit);
  if ($op eq 'A') { $limit = $items[0]; answer(0, '', ''); }
  elsif ($op eq 'R') { run(@items); }
  else { my @bad; while (@items) { my $bad = spill(splice(@items, 0, 2)); push @bad, $bad if $bad; }
    answer(@bad ? 1 : 0, '', join("\n", @bad)); }
}
`;

/**
 * Runs in the wire namespace: opens one packet socket for every peer device (arguments), then becomes the injector in the
 * firewall's namespace, which inherits them: so one process holds both ends and knows when a packet is through.
 */
export const OPENER = String.raw`
use strict; use Socket; $^F = 255;
my @fds; my @keep;
for my $device (split /,/, shift @ARGV) {
  socket(my $s, 17, SOCK_RAW, 0) or die "packet socket: $!\n";
  my $request = pack('a16 x24', $device); ioctl($s, 0x8933, $request) or die "$device: $!\n";
  bind($s, pack('S n l S C C a8', 17, 0, unpack('x16 l', $request), 0, 0, 0, '')) or die "bind $device: $!\n";
  push @keep, $s; push @fds, fileno($s);
}
exec 'nsenter', '--net=/proc/1/ns/net', 'perl', '/run/inject.pl', join(',', @fds), @ARGV;
`;

/**
 * The injector. Arguments: inherited wire sockets, device names, priority of its own packets, trace (0, 1), real spacing (0, 1),
 * multicast groups to join (device number:address in hexadecimal).
 * Standard input: frames as (u8 kind: 0 in, 1 out IPv4, 2 out IPv6, plus 4: bound to the device; u8 device; u64 nanoseconds since the first; u32 length; bytes).
 * Standard output: records (u8 kind, u32 frame, u32 length, bytes), little endian:
 * 1 nfnetlink_log message, 2 nf_tables trace message, 3 packet that left (link header cut off), 4 time sent (u64 ns), 5 not sent: why,
 * 6 records lost: where, 7 the frame was not seen to arrive. (EPERM from a raw socket is no failure: a rule dropped the packet in OUTPUT.)
 * A frame is injected only after the one before is through: the packet tap of the firewall's namespace has seen it arrive, and as this
 * process is bound to one processor, whose soft interrupts run to their end before it runs again, everything the packet caused has happened by then.
 */
export const INJECTOR = String.raw`
use strict; use Socket; use Errno qw(EAGAIN ENOBUFS EPERM);
my $precise = eval { require Time::HiRes; 1 };
sub now { return $precise ? Time::HiRes::time() : time(); }
my ($fds, $names, $priority, $trace, $real, $groups) = @ARGV;
die "real spacing needs Time::HiRes (package perl)\n" if $real && !$precise;
my @wire = map { open(my $s, '+<&=', $_) or die "descriptor $_: $!\n"; $s } split /,/, $fds;
my @devices = split /,/, $names;
my $DONTWAIT = 0x40;
sub big { my $s = shift; setsockopt($s, SOL_SOCKET, 33, pack('i', 1 << 26)) || setsockopt($s, SOL_SOCKET, 8, pack('i', 1 << 26)); }
socket(my $tap, 17, SOCK_RAW, unpack('S', pack('n', 3))) or die "packet socket: $!\n";
big($tap);
sub index_of { my $request = pack('a16 x24', shift); ioctl($tap, 0x8933, $request) or die "interface: $!\n"; return unpack('x16 l', $request); }
my @index = map { index_of($_) } @devices;
my $lo = index_of('lo');
my %joiner;
for my $group (split /,/, $groups // '') {
  my ($device, $hex) = split /:/, $group; my $address = pack('H*', $hex); my $six = length($address) == 16;
  # A socket may hold twenty IPv4 groups only (igmp_max_memberships), so each group has its own.
  socket(my $s, $six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0) or die "socket: $!\n"; $joiner{$group} = $s;
  my $done = $six ? setsockopt($s, 41, 20, $address . pack('I', $index[$device])) : setsockopt($s, 0, 35, $address . pack('x4 i', $index[$device]));
  die "join $group: $!\n" unless $done;
}
sub netlink { my $groups = shift; socket(my $s, 16, SOCK_RAW, 12) or die "netlink: $!\n"; big($s);
  bind($s, pack('S S L L', 16, 0, 0, $groups)) or die "netlink bind: $!\n"; return $s; }
sub attribute { my ($type, $value) = @_; my $n = 4 + length($value); return pack('S S a*', $n, $type, $value) . ("\0" x ((4 - $n % 4) % 4)); }
my ($nflog, $nftrace);
if ($trace) {
  $nflog = netlink(0);
  my $body = pack('C C n', 0, 0, 0) . attribute(1, pack('C', 1)) . attribute(2, pack('N C x', 0, 1)) . attribute(6, pack('n', 1));
  send($nflog, pack('L S S L L', 16 + length($body), (4 << 8) | 1, 5, 1, 0) . $body, 0, pack('S S L L', 16, 0, 0, 0)) or die "nflog: $!\n";
  recv($nflog, my $ack, 4096, 0); my $error = unpack('x16 l', $ack); if ($error) { $! = -$error; die "nfnetlink_log: $!\n"; }
  for my $family (2, 10) { my $path = "/proc/sys/net/netfilter/nf_log/$family";
    open(my $f, '>', $path) or die "$path: $!\n"; syswrite($f, 'nfnetlink_log') or die "$path: $!\n"; }
  $nftrace = netlink(1 << 8);
}
my %raw;
sub raw { my ($kind, $device) = @_; my $key = $kind & 4 ? "$kind $device" : $kind;
  return $raw{$key} if $raw{$key};
  my $six = ($kind & 3) == 2;
  socket(my $s, $six ? AF_INET6 : AF_INET, SOCK_RAW, 255) or die "raw socket: $!\n";
  setsockopt($s, SOL_SOCKET, 12, pack('i', $priority)) or die "SO_PRIORITY: $!\n";
  # No multicast loop; and no heed to path MTUs learnt from the capture's ICMP errors, which the captured packets did not heed either.
  if ($six) { setsockopt($s, 41, 36, pack('i', 1)) or die "IPV6_HDRINCL: $!\n";
    setsockopt($s, 41, 19, pack('i', 0)); setsockopt($s, 41, 23, pack('i', 3)); }
  else { setsockopt($s, SOL_SOCKET, SO_BROADCAST, pack('i', 1)); setsockopt($s, 0, 34, pack('i', 0)); setsockopt($s, 0, 10, pack('i', 3)); }
  if ($kind & 4) { setsockopt($s, SOL_SOCKET, 25, "$devices[$device]\0") or die "SO_BINDTODEVICE: $!\n"; }
  return $raw{$key} = $s; }
my ($frame, $out) = (0, '');
binmode STDIN; binmode STDOUT;
sub emit { my ($kind, $bytes) = @_; $out .= pack('C V V/a*', $kind, $frame, $bytes);
  if (length($out) > 1 << 20) { print STDOUT $out; $out = ''; } }
sub drain { my ($s, $kind) = @_;
  while (1) { my $from = recv($s, my $message, 131072, $DONTWAIT);
    if (defined $from) { emit($kind, $message); next; }
    emit(6, $kind == 1 ? 'nflog' : 'nftrace') if $! == ENOBUFS;
    return if $! == EAGAIN; } }
# Reads the tap until it is empty and nothing awaited is missing. $await: index of the device the frame arrives at, 0 for none.
sub settle { my $await = shift; my $looped = 0; my $until = 0;
  while (1) { my $from = recv($tap, my $packet, 131072, $DONTWAIT);
    if (!defined $from) {
      if ($! == ENOBUFS) { emit(6, 'tap'); next; }
      return if !$await && $looped <= 0;
      $until ||= now() + 2; my $left = $until - now(); if ($left <= 0) { emit(7, ''); return; }
      my $bits = ''; vec($bits, fileno($tap), 1) = 1; select($bits, undef, undef, $left); next; }
    my (undef, undef, $device, undef, $type) = unpack('S n l S C', $from);
    if ($device == $lo) { $looped += $type == 4 ? 1 : -1; next; }
    if ($type == 4) { emit(3, substr($packet, 14)); next; }
    $await = 0 if $device == $await; } }
sub transmit { my ($kind, $device, $bytes) = @_;
  if ($kind == 0) { return send($wire[$device], $bytes, 0); }
  if (($kind & 3) == 1) { return undef if length($bytes) < 20;
    my $to = substr($bytes, 16, 4); return send(raw($kind, $device), $bytes, 0, pack_sockaddr_in(0, $to)); }
  return undef if length($bytes) < 40;
  my $to = substr($bytes, 24, 16); my ($a, $b) = unpack('C C', $to);
  my $scope = (($a == 255 && ($b & 15) <= 2) || ($a == 254 && ($b & 192) == 128)) ? $index[$device] : 0;
  return send(raw($kind, $device), $bytes, 0, pack_sockaddr_in6(0, $to, $scope)); }
my $begin = now();
while (read(STDIN, my $head, 14) == 14) {
  my ($kind, $device, $after, $length) = unpack('C C Q< V', $head);
  my $bytes = ''; read(STDIN, $bytes, $length) if $length;
  if ($real) { my $wait = $begin + $after / 1e9 - now(); select(undef, undef, undef, $wait) if $wait > 0; }
  emit(4, pack('Q<', int(now() * 1e9)));
  $! = 22; my $sent = transmit($kind, $device, $bytes);
  if (defined $sent) { settle($kind == 0 ? $index[$device] : 0); } else { emit(5, "$!") unless $! == EPERM && ($kind & 3); settle(0); }
  if ($trace) { drain($nflog, 1); drain($nftrace, 2); }
  $frame++;
}
print STDOUT $out; close(STDOUT) or die "output: $!\n";
`;
