import Plans

/// How the elements of a buffer are stored, or the operands of a product rounded.
public enum Format: Hashable, Sendable {
  case float32
  /// Operands of a product that are rounded to 10 bits of mantissa on their way; stored as `float32`.
  case tensorFloat32
  case float16
  case bfloat16
  /// FP8 with one float32 scale per block of elements of a row (DeepSeek-V3 report, section 3.3).
  case float8(block: Int)
  /// FP8 with one scale for the whole tensor, which lies elsewhere (Transformer Engine's `Float8Tensor`).
  case tensorFloat8
  /// FP8 with a scale of one byte for 32 elements of a row (OCP Microscaling v1.0).
  case microFloat8
  /// The 12-bit E5M6 format of the inputs of the projection behind attention, scales as in `float8`.
  case float12(block: Int)
  case int32
  /// One byte, as a dropout mask.
  case byte

  /// The bytes of one row of `columns` elements, scales included.
  public func bytes(columns: Int) -> Int {
    switch self {
    case .float32, .tensorFloat32, .int32: 4 * columns
    case .float16, .bfloat16: 2 * columns
    case .byte, .tensorFloat8: columns
    case .microFloat8:
      columns + (columns + Float8Scaling.microBlock - 1) / Float8Scaling.microBlock
    case .float8(let block): columns + 4 * ((columns + block - 1) / block)
    case .float12(let block): (3 * columns + 1) / 2 + 4 * ((columns + block - 1) / block)
    }
  }

  /// Whether its numbers have scales.
  public var isScaled: Bool {
    if case .float12 = self { true } else { isFloat8 }
  }

  /// Whether its numbers have 8 bits with an exponent, whatever their scales belong to.
  public var isFloat8: Bool {
    switch self {
    case .float8, .tensorFloat8, .microFloat8: true
    default: false
    }
  }

  /// What a product's operands of this format are stored as.
  var stored: Format { self == .tensorFloat32 ? .float32 : self }

  /// Whether it takes fewer bytes than another, scales not counted.
  func isNarrower(than other: Format) -> Bool { bits < other.bits }

  private var bits: Int {
    switch self {
    case .float32, .tensorFloat32, .int32: 32
    case .float16, .bfloat16: 16
    case .float12: 12
    case .float8, .tensorFloat8, .microFloat8, .byte: 8
    }
  }

  /// The kind of kernel that turns this format into another.
  func conversion(to other: Format) -> Streaming {
    other.isScaled ? .quantize : isScaled ? .dequantize : .cast
  }
}
