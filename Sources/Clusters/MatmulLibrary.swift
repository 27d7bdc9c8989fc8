/// A library of matrix-product kernels in one dated state, by the name of its section of constants,
/// `device.kernels.matmul.fp8-2025-04`; in the order of their dates.
public enum MatmulLibrary: String, Hashable, Sendable, CaseIterable {
  /// The vendor's library (cuBLASLt) with one scale a tensor of FP8.
  ///
  /// First, since products with a scale a block are other kernels.
  case fp8PerTensor = "cublaslt-fp8"
  /// DeepGEMM as published on 2025-02-25, the state in which the V3 trace ran.
  case fp8February2025 = "fp8-2025-02"
  /// DeepGEMM as of 2025-04-09.
  case fp8April2025 = "fp8-2025-04"
  /// The vendor's library for 16-bit operands (bf16 and fp16 alike).
  case bf16 = "bf16"

  /// Whether its operands have eight bits.
  public var isFP8: Bool { self != .bf16 }

  /// Whether it is the vendor's, which splits products along K and is taken to know the fastest tile.
  public var isVendors: Bool { self == .bf16 || self == .fp8PerTensor }

  /// Whether its FP8 products have one scale a tensor, and not one a block of numbers.
  public var scalesTensors: Bool { self == .fp8PerTensor }
}
