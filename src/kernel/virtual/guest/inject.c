// The injector of the guest: puts every frame on its wire, or sends it from the firewall itself, at exactly its own time, and writes down what came of it.
//
// `query` step: u32 bus, then the request; its answer: every message of the dump.
// `open` step: u8 trace, u32 priority of the injector's own packets, u32 number of devices, names (u32 length, bytes): device i of the firewall has its other end, `wire<i>`,
//   in the wire's namespace, where it is switched on; u32 number of multicast groups to join, each u8 device, u8 length (4 or 16), address.
// `frames` step, numbered on through the job: frames, each u8 kind (0 arrives, 1 sent as IPv4, 2 sent as IPv6, plus 4: bound to the device, plus 8: never sent), u8 device, u64 time in nanoseconds since the epoch, u32 length, bytes
//   (a frame that arrives has its Ethernet header on).
// Its answer: records (u8 kind, u32 frame, u32 length, bytes), the same as the running kernel's injector writes (../../records.ts reads both):
//   1 nfnetlink_log message, 2 nf_tables trace message, 3 packet that left (without link header), 4 time it was sent (u64 ns), 5 not sent: why, 6 records lost: where,
//   7 the frame was not seen to arrive.
//
// A frame is sent when the one before is through: the tap in the firewall's namespace has seen it arrive, and as there is one processor, whose soft interrupts end before this
// process runs again, all it caused has happened by then.
#define _GNU_SOURCE
#include "guest.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_DEVICES = 32, NFTRACE_GROUP = 9 };
enum record { LOGGED = 1, TRACED, LEFT, SENT, UNSENT, LOST, ABSENT };

static int devices, index_of[MOST_DEVICES], wire[MOST_DEVICES], loopback, tap, nflog = -1, nftrace = -1;
static char names[MOST_DEVICES][IFNAMSIZ];
static uint32_t priority, frame;
static struct buffer records;
static uint8_t packet[1 << 18] __attribute__((aligned(8)));

static void record(enum record kind, const void *bytes, size_t length) {
  uint8_t number = kind;
  append(&records, &number, 1);
  append_u32(&records, frame);
  append_u32(&records, length);
  append(&records, bytes, length);
}

// 64 MiB of room: what does not fit is lost, and a run that lost records is thrown away.
static int with_room(int opened) {
  int room = 1 << 26;
  if (opened < 0) fail("socket");
  if (setsockopt(opened, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0) fail("receive buffer");
  return opened;
}

// Up, and without ARP: every neighbour is there without a packet.
static void switch_on(int opened, const char *name) {
  struct ifreq device = {.ifr_flags = IFF_UP | IFF_NOARP};
  snprintf(device.ifr_name, IFNAMSIZ, "%s", name);
  if (ioctl(opened, SIOCSIFFLAGS, &device) != 0) fail("cannot switch %s on", name);
}

static void open_wires(void) {
  int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (setns(wire_space, CLONE_NEWNET) != 0) fail("cannot enter the wire's namespace");
  for (int i = 0; i < devices; i++) {
    char name[IFNAMSIZ];
    snprintf(name, sizeof name, "wire%d", i);
    wire[i] = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(name)};
    switch_on(wire[i], name);
    if (wire[i] < 0 || bind(wire[i], (void *)&at, sizeof at) != 0) fail("cannot open %s", name);
  }
  if (own < 0 || setns(own, CLONE_NEWNET) != 0) fail("cannot go back");
  close(own);
}

// Each group has a socket of its own, which stays open as long as the job: one may hold twenty IPv4 groups only.
static void join(struct cursor *step) {
  int device = take_u8(step), length = take_u8(step), done;
  const uint8_t *address = take(step, length);
  int member = socket(length == 16 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (length == 16) {
    struct ipv6_mreq group = {.ipv6mr_interface = index_of[device]};
    memcpy(&group.ipv6mr_multiaddr, address, 16);
    done = setsockopt(member, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof group);
  } else {
    struct ip_mreqn group = {.imr_ifindex = index_of[device]};
    memcpy(&group.imr_multiaddr, address, 4);
    done = setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
  }
  if (done != 0) fail("cannot join a multicast group");
}

static int open_netlink(int bus, uint32_t groups) {
  int opened = with_room(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus));
  struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = groups};
  if (bind(opened, (void *)&at, sizeof at) != 0) fail("netlink");
  return opened;
}

void query(struct cursor *step) {
  int bus = take_u32(step), opened = open_netlink(bus, 0);
  if (send(opened, step->at, step->end - step->at, 0) < 0) fail("netlink request");
  struct buffer told = {0};
  for (int done = 0; !done;) {
    ssize_t got = recv(opened, packet, sizeof packet, 0);
    if (got <= 0) fail("netlink answer");
    append(&told, packet, got);
    int left = got;
    for (struct nlmsghdr *message = (void *)packet; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
      done |= message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR;
  }
  close(opened);
  answer('Q', &told);
  free(told.bytes);
}

// Asks nfnetlink_log for group 0, where TRACE records go: their words, not the packets.
static void open_log(void) {
  nflog = open_netlink(NETLINK_NETFILTER, 0);
  struct {
    struct nlmsghdr head;
    struct nfgenmsg family;
    struct nlattr command_head;
    struct nfulnl_msg_config_cmd command;
    uint8_t pad[3];
    struct nlattr mode_head;
    struct nfulnl_msg_config_mode mode;
    uint8_t pad2[2];
  } __attribute__((packed)) ask = {
      .head = {sizeof ask, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, 1, 0},
      .command_head = {sizeof(struct nlattr) + 1, NFULA_CFG_CMD},
      .command = {NFULNL_CFG_CMD_BIND},
      .mode_head = {sizeof(struct nlattr) + sizeof(struct nfulnl_msg_config_mode), NFULA_CFG_MODE},
      .mode = {.copy_mode = NFULNL_COPY_META},
  };
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    uint8_t rest[256];
  } told;
  if (send(nflog, &ask, sizeof ask, 0) < 0 || recv(nflog, &told, sizeof told, 0) < 0) fail("nfnetlink_log");
  if ((errno = -told.error.error) != 0) fail("nfnetlink_log");
}

void open_injector(struct cursor *step) {
  int trace = take_u8(step);
  priority = take_u32(step);
  devices = take_u32(step);
  if (devices > MOST_DEVICES) fail("more than %d devices", MOST_DEVICES);
  for (int i = 0; i < devices; i++) {
    char *name = take_text(step, NULL);
    snprintf(names[i], IFNAMSIZ, "%s", name);
    if ((index_of[i] = if_nametoindex(name)) == 0) fail("no device %s", name);
    free(name);
  }
  loopback = if_nametoindex("lo");
  open_wires();
  tap = with_room(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  for (uint32_t groups = take_u32(step); groups > 0; groups--) join(step);
  if (!trace) return;
  open_log();
  nftrace = open_netlink(NETLINK_NETFILTER, 1 << (NFTRACE_GROUP - 1));
}

static void set(int opened, int level, int option, int value) {
  if (setsockopt(opened, level, option, &value, sizeof value) != 0) fail("socket option %d", option);
}

// The raw socket a packet of the firewall itself goes through; one of each kind and device.
static int raw_socket(int kind, int device) {
  static int opened[8][MOST_DEVICES];
  int *known = &opened[kind][kind & 4 ? device : 0];
  if (*known > 0) return *known;
  int six = (kind & 3) == 2;
  *known = socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (*known < 0) fail("raw socket");
  set(*known, SOL_SOCKET, SO_PRIORITY, priority);
  // No multicast loop; and no heed to path MTUs learnt from ICMP errors of the capture, which the captured packets did not heed either.
  if (six) {
    set(*known, IPPROTO_IPV6, IPV6_HDRINCL, 1);
    set(*known, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
    set(*known, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  } else {
    set(*known, SOL_SOCKET, SO_BROADCAST, 1);
    set(*known, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
    set(*known, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  }
  if (kind & 4 && setsockopt(*known, SOL_SOCKET, SO_BINDTODEVICE, names[device], strlen(names[device]) + 1) != 0) fail("bind to %s", names[device]);
  return *known;
}

static ssize_t transmit(int kind, int device, const uint8_t *bytes, size_t length) {
  if (kind == 0) return send(wire[device], bytes, length, 0);
  if ((kind & 3) == 1) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (length < 20) return errno = EINVAL, -1;
    memcpy(&to.sin_addr, bytes + 16, 4);
    return sendto(raw_socket(kind, device), bytes, length, 0, (void *)&to, sizeof to);
  }
  struct sockaddr_in6 to = {.sin6_family = AF_INET6};
  if (length < 40) return errno = EINVAL, -1;
  memcpy(&to.sin6_addr, bytes + 24, 16);
  const uint8_t *address = bytes + 24;
  int narrow = (address[0] == 0xff && (address[1] & 15) <= 2) || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
  if (narrow) to.sin6_scope_id = index_of[device];
  return sendto(raw_socket(kind, device), bytes, length, 0, (void *)&to, sizeof to);
}

// Reads the tap until it is empty and nothing awaited is missing: the arrival at device `awaited` (0: none), and what went out on lo and must come in again.
static void settle(int awaited) {
  for (int looped = 0;;) {
    struct sockaddr_ll from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(tap, packet, sizeof packet, MSG_DONTWAIT, (void *)&from, &size);
    if (got < 0 && errno == ENOBUFS) record(LOST, "tap", 3);
    if (got < 0 && errno != EAGAIN) continue;
    if (got < 0) {
      if (!awaited && looped <= 0) return;
      struct pollfd more = {tap, POLLIN, 0};
      if (poll(&more, 1, 2000) > 0) continue;
      record(ABSENT, "", 0);
      return;
    }
    int leaving = from.sll_pkttype == PACKET_OUTGOING;
    if (from.sll_ifindex == loopback) looped += leaving ? 1 : -1;
    else if (leaving) record(LEFT, packet + ETH_HLEN, got > ETH_HLEN ? got - ETH_HLEN : 0);
    else if (from.sll_ifindex == awaited) awaited = 0;
  }
}

static void drain(int opened, enum record kind) {
  for (;;) {
    ssize_t got = recv(opened, packet, sizeof packet, MSG_DONTWAIT);
    if (got >= 0) record(kind, packet, got);
    else if (errno == ENOBUFS) record(LOST, kind == LOGGED ? "nflog" : "nftrace", kind == LOGGED ? 5 : 7);
    else return;
  }
}

void inject(struct cursor *step) {
  for (; step->at < step->end; frame++) {
    int kind = take_u8(step), device = take_u8(step);
    uint64_t when = take_u64(step);
    uint32_t length = take_u32(step);
    const uint8_t *bytes = take(step, length);
    sleep_until(when);
    uint64_t now = clock_now();
    record(SENT, &now, 8);
    if (kind & 8) continue;
    errno = 0;
    ssize_t sent = transmit(kind, device, bytes, length);
    // EPERM from a raw socket: a rule dropped the packet in OUTPUT.
    if (sent < 0 && !(errno == EPERM && kind != 0)) record(UNSENT, strerror(errno), strlen(strerror(errno)));
    settle(sent >= 0 && kind == 0 ? index_of[device] : 0);
    if (nflog >= 0) drain(nflog, LOGGED);
    if (nftrace >= 0) drain(nftrace, TRACED);
  }
  answer('F', &records);
  records.length = 0;
}
