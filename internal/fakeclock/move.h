/* A clock that goes forward at a word. */
#ifndef FAKECLOCK_MOVE_H
#define FAKECLOCK_MOVE_H

void fakeclock_move(long long by); /* nanoseconds */

#endif
