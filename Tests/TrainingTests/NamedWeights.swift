import Models

/// A tensor's values, from its name alone.
///
/// SplitMix64 from the FNV-1a hash of the name, 24 bits of each number as a float u from −1 to 1.
/// Matrices and biases are u/4, gains 1 + u/4; a saturated router is 32·u, its bias 0.
func namedWeights(_ tensor: ParameterTensor, isSaturated: Bool = false) -> [Float] {
  let name = tensor.sharedWith ?? tensor.name
  var state: UInt64 = 0xcbf2_9ce4_8422_2325
  for byte in name.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
  let isNorm = name.contains("norm") || name.contains(".ln_")
  let isGain = isNorm && !name.hasSuffix("bias")
  var scale: Float = 0.25
  if isSaturated, tensor.role == .router { scale = 32 }
  if isSaturated, tensor.role == .correctionBias { scale = 0 }
  return (0..<tensor.count).map { _ in
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    z ^= z >> 31
    let u = Float(z >> 40) / Float(1 << 23) - 1
    return (isGain ? 1 : 0) + u * scale
  }
}
