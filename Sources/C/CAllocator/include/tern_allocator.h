// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes the C library give the memory of large blocks back as soon as they are freed, and keep few
// pools of small ones. Without it, after some large blocks came and went, it keeps theirs, too.
void tern_give_freed_memory_back(void);
