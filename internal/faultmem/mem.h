/* Allocation functions for libcrypto that fail on demand, on one thread at a time, and
 * that remember what was allocated meanwhile. */
#ifndef FAULTMEM_MEM_H
#define FAULTMEM_MEM_H

#include <stddef.h>

int faultmem_installed(void);
unsigned long faultmem_arm(long k, int lasting);
void faultmem_disarm(void);
void faultmem_pause(int paused);
long faultmem_made(void);
int faultmem_failed(void);
int faultmem_failing(void);
long faultmem_sites(long *ks, long n);
long faultmem_left(unsigned long run, char *where, size_t n);
long long faultmem_live(void);
void faultmem_stop_thread(void);

#endif
