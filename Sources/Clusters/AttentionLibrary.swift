/// A library of attention kernels, or none: products with passes over the square in between.
public enum AttentionLibrary: String, Hashable, Sendable, CaseIterable {
  /// FlashAttention 2, which PyTorch's own attention takes on Hopper too.
  case flash2 = "flash-2"
  /// FlashAttention 3, for Hopper, which has to be installed apart.
  case flash3 = "flash-3"
  /// cuDNN, which Transformer Engine takes first on Hopper.
  case cuDNN = "cudnn"
  /// Batched products with mask, softmax and dropout as passes of their own, as before FlashAttention.
  case unfused
  /// FlashAttention written in Triton before its compiler was built on MLIR, as MosaicML trained with it up to 2024.
  case triton

  /// The fused ones, in the order in which a device's is taken where a plan names none: Transformer Engine
  /// takes cuDNN on Hopper, then FlashAttention 3 where it is installed.
  public static let preferred: [AttentionLibrary] = [.cuDNN, .flash3, .flash2]
}
