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

  /// Widths of heads for which it has kernels, ascending; none for products, which have any width.
  ///
  /// A narrower head is padded with zeros to the next one, and wider than the last one none can be.
  /// Sources: `HEADDIM_SWITCH` in FlashAttention 2's `csrc/flash_attn/src/static_switch.h`, `hdim` of FlashAttention
  /// 3's `hopper/instantiations`; `BLOCK_HEADDIM` and the assertion on `d` in `flash_attn/flash_attn_triton.py`. cuDNN
  /// says no more than 256 ("Support Matrix" of its Attention page, Hopper and Blackwell); its steps are taken to be the widths
  /// that were measured.
  public var kernelWidths: [Int] {
    switch self {
    case .flash2: [32, 64, 96, 128, 192, 256]
    case .flash3: [64, 96, 128, 192, 256]
    case .cuDNN: [64, 128, 192, 256]
    case .triton: [16, 32, 64, 128]
    case .unfused: []
    }
  }
}
