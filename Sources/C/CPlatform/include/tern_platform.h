// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>

// What the C library has and Swift's module of it has not.

// Makes the C library give the memory of large blocks back as soon as they are freed, and keep few
// pools of small ones. Without it, after some large blocks came and went, it keeps theirs, too.
void tern_give_freed_memory_back(void);

// Makes the C library keep the memory of freed blocks, even of large ones, for the next, whichever
// thread takes it. Threads that have taken memory before keep to pools of their own.
void tern_keep_freed_memory(void);

// Lets the system begin to put `count` bytes of a file from `offset` on on the disk, without
// waiting for it. It promises nothing: a sync does.
void tern_start_writing(int descriptor, long long offset, long long count);

// User and system time of this process and, if asked, of its children that have ended.
double tern_processor_seconds(bool with_children);
