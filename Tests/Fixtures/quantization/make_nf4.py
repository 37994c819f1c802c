#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes nf4.safetensors: what bitsandbytes makes of a matrix that anybody can make.

Element i of [20, 1000] is ((7919 i) mod 4001 - 2000) / 1024 * (1 + (i div 64) / 128), in float32.
  codes         two to a byte, the first in its upper half
  scale_codes   one for each 64 elements
  scale_largest one for each 256 scales
  scale_offset  one
  values        what all of it comes to, in float32
"""
import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

i = torch.arange(20_000)
x = (i * 7919 % 4001 - 2000).float() / 1024 * (1 + (i // 64).float() / 128)
codes, state = F.quantize_4bit(
    x.reshape(20, 1000), blocksize=64, quant_type="nf4", compress_statistics=True
)
save_file(
    {
        "codes": codes.flatten(),
        "scale_codes": state.absmax.flatten(),
        "scale_largest": state.state2.absmax.flatten(),
        "scale_offset": state.offset.reshape(1),
        "values": F.dequantize_4bit(codes, state).contiguous(),
    },
    "nf4.safetensors",
)
