// Process 1 of a virtual-clock machine: does what the plan says, job by job, writes down what happened, and switches the machine off.
//
// The host's root directory is this machine's root, read-only; the folder of the run is mounted at /mnt and holds `plan` (made by ../plan-file.ts) and, at the end,
// `answers` (read by ../answers.ts). This program knows nothing of rules: which commands run, and what their output means, is decided in TypeScript.
//
//   plan:    jobs, each u32 length, then steps (u8 kind, u32 length, payload); items below are (u32 length, bytes)
//     'W' write     path and content, alternating
//     'R' run       u8 must, standard input, argv...
//     'M' machine   as 'W', in the network namespace the machine began with
//     'N' network   where to show the wire's namespace, then paths and contents that are written inside it
//     'Q' query     u32 netlink bus, then a dump request
//     'O' open      sockets of the injector, see inject.c
//     'F' frames    see inject.c
//     'S' sleep     u64 until this time
//   answers: (u32 job, u8 kind, u32 length, payload)
//     'R'  u32 exit, u32 length, stdout, u32 length, stderr     (a `must` that fails ends its job)
//     'Q'  every message of the dump
//     'F'  records, see inject.c
//     'S'  u64 the time it is
//     'X'  why the job could not go on
//     'E'  the job is at its end
//     'Z'  the plan is at its end: without it the run proves nothing
//
// Each job is a child in network and mount namespaces of its own, with an empty /run.
#define _GNU_SOURCE
#include "guest.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Environment: where the kernel's modules lie (Debian's are in no place modprobe knows); and the root directory modprobe is given instead.
#define MODULES "WASMTABLES_MODULES"
#define MODULES_ROOT "/run/modules"
#define LOG_EVERYWHERE "/proc/sys/net/netfilter/nf_log_all_netns"

int wire_space = -1;
static int answers = -1;
static uint32_t job;

void append(struct buffer *to, const void *bytes, size_t length) {
  if (to->length + length > to->room) {
    to->room = 2 * (to->length + length) + 4096;
    if (!(to->bytes = realloc(to->bytes, to->room))) _exit(1);
  }
  memcpy(to->bytes + to->length, bytes, length);
  to->length += length;
}

void append_u32(struct buffer *to, uint32_t value) { append(to, &value, 4); }

const uint8_t *take(struct cursor *from, size_t length) {
  if ((size_t)(from->end - from->at) < length) fail("the plan ends in the middle of a step");
  from->at += length;
  return from->at - length;
}

uint8_t take_u8(struct cursor *from) { return *take(from, 1); }

uint32_t take_u32(struct cursor *from) {
  uint32_t value;
  memcpy(&value, take(from, 4), 4);
  return value;
}

uint64_t take_u64(struct cursor *from) {
  uint64_t value;
  memcpy(&value, take(from, 8), 8);
  return value;
}

char *take_text(struct cursor *from, size_t *length) {
  uint32_t size = take_u32(from);
  char *text = calloc(1, size + 1);
  if (!text) fail("out of memory");
  memcpy(text, take(from, size), size);
  if (length) *length = size;
  return text;
}

static void write_all(int file, const void *bytes, size_t length) {
  for (const char *at = bytes; length > 0;) {
    ssize_t done = write(file, at, length);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) _exit(1);
    at += done;
    length -= done;
  }
}

void answer(uint8_t kind, const struct buffer *payload) {
  struct buffer head = {0};
  append_u32(&head, job);
  append(&head, &kind, 1);
  append_u32(&head, payload ? payload->length : 0);
  write_all(answers, head.bytes, head.length);
  if (payload) write_all(answers, payload->bytes, payload->length);
  free(head.bytes);
}

_Noreturn void fail(const char *what, ...) {
  char text[512];
  int error = errno;
  va_list more;
  va_start(more, what);
  int length = vsnprintf(text, sizeof text, what, more);
  va_end(more);
  if (error != 0) snprintf(text + length, sizeof text - length, " (%s)", strerror(error));
  struct buffer payload = {(uint8_t *)text, strlen(text), 0};
  if (answers >= 0) answer('X', &payload);
  dprintf(2, "guest: job %u: %s\n", job, text);
  _exit(1);
}

uint64_t clock_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000000ull + now.tv_nsec;
}

void sleep_until(uint64_t when) {
  struct timespec at = {when / 1000000000ull, when % 1000000000ull};
  while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) == EINTR) {
  }
}

// Files of /proc/sys want the whole value in one write.
static void write_file(const char *path, const char *bytes, size_t length) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (file < 0 || write(file, bytes, length) != (ssize_t)length || close(file) != 0) fail("cannot write %s", path);
}

static void write_files(struct cursor *step) {
  while (step->at < step->end) {
    size_t length;
    char *path = take_text(step, NULL), *content = take_text(step, &length);
    write_file(path, content, length);
    free(path);
    free(content);
  }
}

// Runs `work` in a child, which has to succeed.
static void in_child(void (*work)(struct cursor *), struct cursor *step, const char *what) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    work(step);
    _exit(0);
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) fail("%s", what);
}

// Sysctls that are the whole machine's can be written from its first namespace only.
static void write_as_machine(struct cursor *step) {
  int first = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
  if (first < 0 || setns(first, CLONE_NEWNET) != 0) fail("cannot enter the machine's own namespace");
  write_files(step);
}

// The namespace of the other ends of the firewall's devices, shown at a path so that ip finds it.
static void show_wire(struct cursor *step) {
  const char *path = take_text(step, NULL);
  int shown = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
  if (shown < 0 || unshare(CLONE_NEWNET) != 0 || mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) != 0) fail("cannot make the wire");
  write_files(step);
}

static void make_wire(struct cursor *step) {
  in_child(show_wire, step, "cannot make the wire");
  char *path = take_text(step, NULL);
  if ((wire_space = open(path, O_RDONLY | O_CLOEXEC)) < 0) fail("cannot make the wire");
  free(path);
}

static int scratch(const char *path) {
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail("cannot make %s", path);
  return file;
}

static void append_file(struct buffer *to, int file) {
  size_t at = to->length;
  append_u32(to, 0);
  lseek(file, 0, SEEK_SET);
  char part[65536];
  for (ssize_t got; (got = read(file, part, sizeof part)) > 0;) append(to, part, got);
  uint32_t length = to->length - at - 4;
  memcpy(to->bytes + at, &length, 4);
  close(file);
}

// Runs a command; false when it had to succeed and did not.
static int run(struct cursor *step) {
  int must = take_u8(step);
  size_t size;
  char *input = take_text(step, &size), *argv[64];
  int words = 0;
  while (step->at < step->end && words < 63) argv[words++] = take_text(step, NULL);
  argv[words] = NULL;
  int in = scratch("/run/.in"), out = scratch("/run/.out"), err = scratch("/run/.err");
  write_all(in, input, size);
  lseek(in, 0, SEEK_SET);
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    dup2(in, 0), dup2(out, 1), dup2(err, 2);
    execvp(argv[0], argv);
    dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  uint32_t exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  struct buffer payload = {0};
  append_u32(&payload, exit);
  close(in);
  append_file(&payload, out);
  append_file(&payload, err);
  answer('R', &payload);
  free(payload.bytes);
  free(input);
  while (words > 0) free(argv[--words]);
  return !must || exit == 0;
}

static void pause_until(struct cursor *step) {
  sleep_until(take_u64(step));
  uint64_t now = clock_now();
  struct buffer payload = {0};
  append(&payload, &now, 8);
  answer('S', &payload);
  free(payload.bytes);
}

// An empty /run, and in it the way to the modules where the kernel has any.
static void own_run(void) {
  if (mount("run", "/run", "tmpfs", 0, NULL) != 0) fail("mount /run");
  mkdir(MODULES_ROOT, 0755);
  mkdir(MODULES_ROOT "/lib", 0755);
  const char *modules = getenv(MODULES);
  if (modules && symlink(modules, MODULES_ROOT "/lib/modules") != 0) fail("symlink");
}

static void do_job(struct cursor plan) {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) fail("unshare");
  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (mount("sys", "/sys", "sysfs", 0, NULL) != 0) fail("mount /sys");
  own_run();
  prctl(PR_SET_TIMERSLACK, 1);
  while (plan.at < plan.end) {
    uint8_t kind = take_u8(&plan);
    uint32_t length = take_u32(&plan);
    struct cursor step = {plan.at, plan.at + length};
    take(&plan, length);
    errno = 0;
    if (kind == 'R' && !run(&step)) break;
    else if (kind == 'W') write_files(&step);
    else if (kind == 'M') in_child(write_as_machine, &step, "cannot write the machine's sysctls");
    else if (kind == 'N') make_wire(&step);
    else if (kind == 'Q') query(&step);
    else if (kind == 'O') open_injector(&step);
    else if (kind == 'F') inject(&step);
    else if (kind == 'S') pause_until(&step);
    else if (kind != 'R') fail("no such step: %d", kind);
  }
  answer('E', NULL);
  _exit(0);
}

static struct cursor read_plan(void) {
  int file = open("/mnt/plan", O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (file < 0 || fstat(file, &stat) != 0) fail("cannot read the plan");
  struct buffer plan = {0};
  char part[65536];
  for (ssize_t got; (got = read(file, part, sizeof part)) > 0;) append(&plan, part, got);
  close(file);
  return (struct cursor){plan.bytes, plan.bytes + plan.length};
}

static void do_plan(void) {
  struct cursor plan = read_plan();
  for (; plan.at < plan.end; job++) {
    uint32_t length = take_u32(&plan);
    struct cursor steps = {plan.at, plan.at + length};
    take(&plan, length);
    pid_t child = fork();
    if (child == 0) do_job(steps);
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  answer('Z', NULL);
}

// A kernel with modules, and iptables, ask this very program for them (/proc/sys/kernel/modprobe): it is called with modprobe's words, and says where they are.
static int load_module(int count, char **words) {
  if (count < 2 || access(MODULES_ROOT "/lib/modules", F_OK) != 0) {
    dprintf(2, "guest: this is process 1 of a virtual-clock machine and refuses to be anything else\n");
    return 97;
  }
  char *argv[16] = {"modprobe", "-d", MODULES_ROOT};
  for (int i = 1; i < count && i < 12; i++) argv[i + 2] = words[i];
  execv("/sbin/modprobe", argv);
  return 127;
}

static void start(const char *self) {
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("LC_ALL", "C", 1);
  setenv("HOME", "/", 1);
  setenv("XTABLES_LOCKFILE", "/run/xtables.lock", 1);
  const char *folder = getenv("WASMTABLES_RUN");
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sys", "/sys", "sysfs", 0, NULL);
  if (!folder || mount("none", "/mnt", "hostfs", 0, folder) != 0) fail("mount /mnt");
  answers = open("/mnt/answers", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (answers < 0) fail("cannot make the answers");
  own_run();
  if (getenv(MODULES)) write_file("/proc/sys/kernel/modprobe", self, strlen(self));
  // LOG rules print in every namespace of this machine; only here can that be said.
  if (access(LOG_EVERYWHERE, W_OK) == 0) write_file(LOG_EVERYWHERE, "1", 1);
}

int main(int count, char **words) {
  if (getpid() != 1) return load_module(count, words);
  start(words[0]);
  do_plan();
  close(answers);
  sync();
  reboot(RB_POWER_OFF);
  return 1;
}
