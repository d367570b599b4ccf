// Preloaded into Debian's User-Mode Linux, which has no virtual clock of its own: a clock that stands still while anything runs.
//
// User-Mode Linux asks its host for the time, arms one timer, and sleeps in sigsuspend when it has nothing to do (arch/um/os-Linux/time.c). These are the functions it
// calls for that. Here, sleeping moves the clock straight to the timer's moment and lets the timer go off; between two sleeps only looking at the clock moves it, by a
// little, so that loops that wait for time to pass come to an end.
//
// WASMTABLES_START: what the wall clock shows at the start, nanoseconds since the epoch.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LOOK = 16, SECOND = 1000000000, KERNEL_SIGSET = 8 };

// Nanoseconds since the start; when the timer goes off (0: it is not armed); and how long after that again (0: once).
static uint64_t elapsed = 1, due, period;
static uint64_t wall_start;

__attribute__((constructor)) static void start(void) {
  const char *given = getenv("WASMTABLES_START");
  if (given) wall_start = strtoull(given, NULL, 10);
}

static uint64_t look(clockid_t clock) {
  elapsed += LOOK;
  return clock == CLOCK_REALTIME ? wall_start + elapsed : elapsed;
}

static struct timespec split(uint64_t time) { return (struct timespec){time / SECOND, time % SECOND}; }

static uint64_t join(struct timespec time) { return (uint64_t)time.tv_sec * SECOND + time.tv_nsec; }

int clock_gettime(clockid_t clock, struct timespec *told) {
  *told = split(look(clock));
  return 0;
}

int gettimeofday(struct timeval *told, void *zone) {
  (void)zone;
  struct timespec now = split(look(CLOCK_REALTIME));
  *told = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

// The only timer there is.
int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer) {
  (void)clock, (void)event;
  *timer = (timer_t)1;
  return 0;
}

int timer_settime(timer_t timer, int flags, const struct itimerspec *wanted, struct itimerspec *before) {
  (void)timer, (void)flags, (void)before;
  uint64_t after = join(wanted->it_value);
  due = after ? elapsed + after : 0;
  period = join(wanted->it_interval);
  return 0;
}

int timer_gettime(timer_t timer, struct itimerspec *told) {
  (void)timer;
  // A moment that has passed is still to come for who asks: the sleep that follows lets it go off.
  told->it_value = split(due == 0 ? 0 : due > elapsed ? due - elapsed : 1);
  told->it_interval = split(period);
  return 0;
}

// The kernel is idle. SIGALRM is blocked until the true sigsuspend, so the one raised here ends that at once.
int sigsuspend(const sigset_t *mask) {
  if (due != 0) {
    if (elapsed < due) elapsed = due;
    due = period ? due + period : 0;
    // What raise() does, less the four calls around it: a long idle time is a hundred thousand of these.
    static pid_t self;
    if (self == 0) self = getpid();
    syscall(SYS_tgkill, self, self, SIGALRM);
  }
  return syscall(SYS_rt_sigsuspend, mask, KERNEL_SIGSET);
}
