/// A library of matrix-product kernels in one dated state, by the name of its section of constants,
/// `device.kernels.matmul.fp8-2025-04`; in the order of their dates.
public enum MatmulLibrary: String, Hashable, Sendable, CaseIterable {
  /// DeepGEMM as published on 2025-02-25, the state in which the V3 trace ran.
  case fp8February2025 = "fp8-2025-02"
  /// DeepGEMM as of 2025-04-09.
  case fp8April2025 = "fp8-2025-04"
  /// The vendor's library for 16-bit operands (bf16 and fp16 alike).
  case bf16 = "bf16"

  /// Whether its operands have eight bits.
  public var isFP8: Bool { self != .bf16 }
}
