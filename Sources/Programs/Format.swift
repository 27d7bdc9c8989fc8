/// How the elements of a buffer are stored.
public enum Format: UInt8, Hashable, Sendable, CaseIterable {
  case float32
  case bfloat16
  /// FP8 with one float32 scale per 128 elements of a row (DeepSeek-V3 report, section 3.3).
  case float8
  /// The 12-bit E5M6 format of the inputs of the projection behind attention, scales as in `float8`.
  case float12
  case int32
  /// One byte, as a dropout mask.
  case byte

  /// The bytes of one row of `columns` elements, scales included.
  public func bytes(columns: Int) -> Int {
    switch self {
    case .float32, .int32: 4 * columns
    case .bfloat16: 2 * columns
    case .byte: columns
    case .float8: columns + 4 * ((columns + 127) / 128)
    case .float12: (3 * columns + 1) / 2 + 4 * ((columns + 127) / 128)
    }
  }
}
