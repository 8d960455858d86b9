/*
 * The first process of the guest in which tests run that need another kernel than the host's. Loads the
 * modules that lie beside it, in the order of their names; makes a copy of the host's tree that can be
 * written to, over the host's own, which cannot; runs the command that lies beside it there; and ends the
 * machine with the command's exit code. Linked statically, because there is nothing to link with yet.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_PORT = 0xf4, FAILED = 125 };

/* QEMU's isa-debug-exit ends the machine with twice this, plus one. */
static void endMachine(int code) {
  sync();
  if (ioperm(EXIT_PORT, 1, 1) == 0) {
    outb((unsigned char)code, EXIT_PORT);
  }
  for (;;) {
    pause();
  }
}

static void must(int is_done, const char* what) {
  if (!is_done) {
    printf("guest: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    endMachine(FAILED);
  }
}

static void mountAt(const char* what, const char* where, const char* type, unsigned long flags,
                    const char* options) {
  mkdir(where, 0755);
  must(mount(what, where, type, flags, options) == 0, where);
}

static int isModule(const struct dirent* entry) {
  return strstr(entry->d_name, ".ko") != NULL;
}

static void loadModules(void) {
  struct dirent** names = NULL;
  const int count = scandir("/modules", &names, isModule, alphasort);
  for (int i = 0; i < count; ++i) {
    char path[512];
    snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    /* A module for a device that this machine does not have is no reason to stop. */
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST)) {
      printf("guest: module %s: %s\n", names[i]->d_name, strerror(errno));
    }
    close(fd);
  }
}

static void raiseLoopback(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0, "loopback");
  close(fd);
}

static char command[64 * 1024];

static void readCommand(void) {
  const int fd = open("/command", O_RDONLY | O_CLOEXEC);
  must(fd >= 0 && read(fd, command, sizeof command - 1) > 0, "command");
  close(fd);
}

int main(void) {
  mkdir("/dev", 0755);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  /* The first serial line is the kernel's, the second the command's. */
  const int out = open("/dev/ttyS1", O_RDWR);
  if (out >= 0) {
    dup2(out, 0);
    dup2(out, 1);
    dup2(out, 2);
  }
  setvbuf(stdout, NULL, _IONBF, 0);
  readCommand();
  loadModules();
  raiseLoopback();
  mountAt("host", "/host", "9p", MS_RDONLY,
          "trans=virtio,version=9p2000.L,msize=524288,cache=loose");
  mountAt("space", "/space", "tmpfs", 0, "size=75%");
  mkdir("/space/upper", 0755);
  mkdir("/space/work", 0755);
  mountAt("root", "/root", "overlay", 0,
          "lowerdir=/host,upperdir=/space/upper,workdir=/space/work");
  must(chdir("/root") == 0, "/root");
  mountAt("proc", "proc", "proc", 0, NULL);
  mountAt("sys", "sys", "sysfs", 0, NULL);
  mountAt("dev", "dev", "devtmpfs", 0, NULL);
  mountAt("pts", "dev/pts", "devpts", 0, NULL);
  mountAt("shm", "dev/shm", "tmpfs", 0, NULL);
  mountAt("tmp", "tmp", "tmpfs", 0, "size=75%,mode=1777");
  mountAt("run", "run", "tmpfs", 0, NULL);
  must(mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 && chdir("/") == 0, "root");

  const pid_t child = fork();
  if (child == 0) {
    setsid();
    ioctl(0, 0x540E /* TIOCSCTTY */, 0);
    char* const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp",
        "LANG=C.UTF-8", NULL};
    execle("/bin/sh", "sh", "-c", command, (char*)NULL, environment);
    _exit(FAILED);
  }
  int status = 0;
  pid_t ended = 0;
  while ((ended = wait(&status)) != child && (ended > 0 || errno == EINTR)) {
  }
  endMachine(WIFEXITED(status) ? WEXITSTATUS(status) : 128);
  return 0;
}
