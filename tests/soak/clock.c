/* A wall clock that runs fast and jumps, for every process that is started with LD_PRELOAD and SOAK_CLOCK. All of them
   read one file, so that they agree to the nanosecond, whenever they were started. The monotonic clock is the real one:
   time limits stay what they are. (libfaketime begins its rate anew in each process.) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The content of the file. A writer makes `turn` odd, writes, and makes it even again. */
struct Clock {
    volatile uint64_t turn;
    volatile int64_t real_from; /* nanoseconds of CLOCK_MONOTONIC */
    volatile int64_t wall_from; /* nanoseconds since 1970 */
    volatile int64_t rate;      /* in thousandths */
};

static const struct Clock *shared;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("SOAK_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *at = mmap(0, sizeof(struct Clock), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (at != MAP_FAILED)
        shared = at;
}

static int64_t wall(void)
{
    struct timespec now;
    struct Clock seen;
    do {
        seen = *(struct Clock *)shared;
        __sync_synchronize();
    } while (seen.turn & 1 || seen.turn != shared->turn);
    real_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed = now.tv_sec * 1000000000LL + now.tv_nsec - seen.real_from;
    return seen.wall_from + passed / 1000 * seen.rate;
}

int clock_gettime(clockid_t id, struct timespec *to)
{
    if (!real_gettime)
        real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (!shared || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return real_gettime(id, to);
    int64_t now = wall();
    to->tv_sec = now / 1000000000LL;
    to->tv_nsec = now % 1000000000LL;
    return 0;
}

int gettimeofday(struct timeval *to, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}
