import Models

extension Architecture {
  /// What of the model the CPU runtime's kernels do not compute, in a few words; nil where they compute all.
  ///
  /// Counting and simulating ask for none of it.
  var partBeyondRuntime: String? {
    if let first = peculiarities.first { return first }
    if case .rotary(let rotary) = position {
      if case .other(let kind) = rotary.scaling { return "rope_scaling of type \(kind)" }
      if rotary.columns != nil { return "heads that are rotated in part" }
    }
    return layers.lazy.compactMap(\.partBeyondRuntime).first
  }
}

extension Layer {
  fileprivate var partBeyondRuntime: String? {
    if norms != .before { return "norms behind its blocks" }
    if arrangement != .sequential { return "parallel blocks" }
    if !rotates || rotary != nil { return "layers with a rotation of their own" }
    if let width = attention.reach.width { return "attention within \(width) positions" }
    switch feedForward {
    case .absent: return "layers of one block"
    case .mixture(let mixture):
      if mixture.activation != .silu { return "activation \(mixture.activation.rawValue)" }
      if mixture.routerBias || mixture.expertBias { return "experts with biases" }
    case .dense(let block):
      let computed: Activation = block.gated ? .silu : .geluTanh
      if block.activation != computed { return "activation \(block.activation.rawValue)" }
    }
    guard case .multiHead(let shape) = attention else { return nil }
    return shape.sinks || shape.outputGate ? "sinks or gates of attention" : nil
  }
}
