/// A queue of work whose entries follow one another.
public enum Stream: UInt8, Hashable, Sendable, CaseIterable {
  case compute, expert, pipeline, data, tensor, context
}

/// The part of a layer that an operation belongs to, in the words of the published trace.
public enum Phase: UInt8, Hashable, Sendable, CaseIterable {
  case embedding, attention, dispatch, feedForward, combine, head, optimizer
}

/// One kernel with the buffers that it writes and reads.
public struct Operation: Hashable, Sendable {
  public var kernel: Kernel
  /// Outputs first, then inputs, in the order that the kernel names.
  public var operands: [BufferID]
  public var outputCount: Int
  public var phase: Phase
  public var pass: Pass
  /// The layer of the model, −1 outside layers.
  public var layer: Int
  /// The operation repeats a forward inside a backward.
  public var isRecomputed: Bool

  public init(
    _ kernel: Kernel, outputs: [BufferID], inputs: [BufferID], phase: Phase, pass: Pass, layer: Int,
    isRecomputed: Bool = false
  ) {
    self.kernel = kernel
    self.operands = outputs + inputs
    self.outputCount = outputs.count
    self.phase = phase
    self.pass = pass
    self.layer = layer
    self.isRecomputed = isRecomputed
  }

  public var outputs: ArraySlice<BufferID> { operands[..<outputCount] }
  public var inputs: ArraySlice<BufferID> { operands[outputCount...] }
}

/// What an asynchronous transfer does.
///
/// On CPU ranks staging buffers follow the outputs of an expert exchange: what is packed, then what
/// arrives, where either does not lie in one piece.
public enum TransferKind: Hashable, Sendable {
  /// Tells every rank of the expert group how many tokens it will get, and how many rows its experts will
  /// compute for them: counts ← routing.
  case counts(exchange: Int)
  /// Tokens to the ranks of their experts, each once per rank: received (received, columns), received
  /// routing (received, 2·chosen) ← in (tokens, columns), routing.
  case dispatch(exchange: Int)
  /// Results back to the tokens' ranks, added there: out (tokens, columns) ← in (received, columns), routing.
  case combine(exchange: Int)
  /// The gradient of a combine: the road of a dispatch: received gradient ← out gradient, routing.
  case combineBackward(exchange: Int)
  /// The gradient of a dispatch: the road of a combine: in gradient (tokens, columns), weight gradients
  /// (tokens, chosen) ← received gradient, received weight gradients (received, chosen), routing.
  case dispatchBackward(exchange: Int)
  case allGather(Group)
  case reduceScatter(Group)
  case allReduce(Group)
  /// Rows to another rank of the group while as many come from a third: a chunk of a gather or scatter, or
  /// a block of keys and values on its way around the group.
  case shift(Group)

  /// The ranks that take part in a collective.
  public enum Group: UInt8, Hashable, Sendable {
    case tensor, context
    /// The tensor ranks that hold slices of the same experts.
    case expertTensor
    /// All copies of the tensors that only this stage uses, experts apart.
    case gradient
    /// All copies of an expert.
    case expertGradient
    /// All uses of the token embedding, and of the head where it is another tensor.
    case sharedEmbedding, sharedHead
    /// All ranks of a pipeline position, which agree on scales of FP8 tensors.
    case position
    /// The whole world, for agreement on a number.
    case world
    /// The tensor ranks that hold the same key and value head.
    case keyValue
    /// Of the copies of a tensor, and of an expert, those that divide its state among them.
    case gradientShards, expertShards
    /// Of the copies of a tensor, and of an expert, those that own the same shard.
    case gradientReplicas, expertReplicas
  }
}

/// One asynchronous transfer of a program.
public struct Transfer: Hashable, Sendable {
  public var kind: TransferKind
  public var operands: [BufferID]
  public var outputCount: Int
  public var stream: Stream
  /// Bytes of one row on the wire.
  public var bytesPerRow: Int
  /// Rows on this rank before the transfer (tokens of a dispatch, elements of a shard…).
  public var rows: Rows
  public var phase: Phase
  public var pass: Pass
  public var layer: Int
  /// Of an optimizer's program: the segment that is reduced or gathered, by its number in
  /// `StageProgram.segments`; else −1.
  public var segment: Int

  public init(
    _ kind: TransferKind, outputs: [BufferID], inputs: [BufferID], stream: Stream,
    bytesPerRow: Int, rows: Rows, phase: Phase, pass: Pass, layer: Int, segment: Int = -1
  ) {
    self.kind = kind
    self.operands = outputs + inputs
    self.outputCount = outputs.count
    self.stream = stream
    self.bytesPerRow = bytesPerRow
    self.rows = rows
    self.phase = phase
    self.pass = pass
    self.layer = layer
    self.segment = segment
  }
}

/// One step of a program.
public enum Step: Hashable, Sendable {
  case acquire(BufferID)
  case release(BufferID)
  /// Index into `Program.operations`.
  case compute(Int32)
  /// Index into `Program.transfers`.
  case start(Int32)
  /// Waits for a transfer of the same program.
  case wait(Int32)
  /// Starts a reduction of the stage inside of a pass: an index into `StageProgram.reductionParts`.
  case reduce(Int32)
  /// Starts the first gathers of the rank's next action, its prologue.
  case gatherAhead
}

/// What one stage performs for one pass of one microbatch: a template, the same for all microbatches.
public struct Program: Hashable, Sendable {
  public var steps: [Step] = []
  public var operations: [Operation] = []
  public var transfers: [Transfer] = []
  /// How many steps at the start, all but waits, start gathers that may begin during the action before.
  public var prologue = 0

  public init() {}
}

extension Transfer {
  /// What a rank with so many rows puts into the transfer: the rows that it sends in an exchange, what it
  /// has before a collective.
  ///
  /// - Parameters:
  ///   - sent: the rows that a dispatch sends, by exchange, and `received` those that come.
  ///   - rows: the number behind a row count.
  public func bytes(
    sent: (_ exchange: Int) -> Int, received: (_ exchange: Int) -> Int, rows: (Rows) -> Int
  ) -> Int {
    switch kind {
    case .dispatch(let exchange), .combineBackward(let exchange): sent(exchange) * bytesPerRow
    case .combine(let exchange), .dispatchBackward(let exchange):
      received(exchange) * bytesPerRow
    case .counts, .allGather, .reduceScatter, .allReduce, .shift: rows(self.rows) * bytesPerRow
    }
  }
}
