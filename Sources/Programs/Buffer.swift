/// A buffer of a stage, as an index into `StageProgram.buffers`.
public struct BufferID: Hashable, Sendable, Comparable {
  public var index: Int32

  public init(_ index: Int) { self.index = Int32(index) }

  public static func < (left: Self, right: Self) -> Bool { left.index < right.index }
}

/// How many rows a buffer or an operation has.
public enum Rows: Hashable, Sendable {
  /// Known when the program is made.
  case fixed(Int)
  /// The tokens that a rank receives in an expert exchange, each once per source rank; known when the
  /// exchange of counts has been waited for.
  case received(exchange: Int)
  /// The rows that the local experts compute: a token once per local expert that it chose.
  case routed(exchange: Int)
  /// The copies of this rank's own tokens that it sends, one per destination rank.
  case sent(exchange: Int)
  /// What so many ranks that hold slices of the same experts receive together, each as much as this one.
  case gathered(exchange: Int, ranks: Int)

  /// The rows of a group of ranks that have as many each.
  func times(_ ranks: Int) -> Rows {
    switch self {
    case .fixed(let count): .fixed(count * ranks)
    case .received(let exchange): .gathered(exchange: exchange, ranks: ranks)
    default: preconditionFailure("Only tokens are gathered.")
    }
  }
}

/// What a rank keeps in memory for a stage, a microbatch or one action.
public struct Buffer: Hashable, Sendable {
  /// What the buffer is for: the parts of a memory report.
  public enum Use: UInt8, Hashable, Sendable, CaseIterable {
    case parameter, gradient, optimizer, activation, workspace, communication
  }

  /// How long it lives: for the stage's whole life, for a lane of microbatches until its sum is added to
  /// another's, from a forward to its backward, or in one action.
  public enum Scope: UInt8, Hashable, Sendable {
    case stage, lane, microbatch, action
  }

  public var name: String
  public var use: Use
  public var scope: Scope
  public var rows: Rows
  /// Elements per row.
  public var columns: Int
  public var format: Format
  /// The shared tensor that it belongs to, where a rank keeps one of them whichever of its stages uses it;
  /// nil for a buffer of its own.
  public var sharedTensor: TransferKind.Group?

  public init(
    _ name: String, _ use: Use, _ scope: Scope, rows: Rows, columns: Int, format: Format
  ) {
    self.name = name
    self.use = use
    self.scope = scope
    self.rows = rows
    self.columns = columns
    self.format = format
  }

  /// The bytes of one row.
  public var bytesPerRow: Int { format.bytes(columns: columns) }
}
