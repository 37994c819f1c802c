// SPDX-License-Identifier: Apache-2.0
#include "tern_openssl.h"
