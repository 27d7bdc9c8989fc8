import Models

/// The steps of one pass as they are emitted: operations and transfers, without acquisitions.
final class Emission {
  enum Pass { case forward, backward, backwardInput, backwardWeight }

  enum Item {
    case operation(Operation)
    case start(Int)
    case wait(Int)
    case gatherAhead
  }

  let lowering: StageLowering
  let pass: Pass
  var items: [Item] = []
  var transfers: [Transfer] = []
  /// Operations of the weight half that were put off, in order.
  var deferred: [Item] = []
  /// In an input half, the weight half's operations wait for an action of their own.
  var weightItems: [Item] = []

  /// The buffer that holds a value in its own format in this pass.
  var live: [BufferID?]
  /// The buffer that holds a value's gradient, and whether this pass may write into it.
  var gradients: [BufferID?]
  /// Row- and column-quantised forms made in this pass, by the buffer that they were made of.
  var quantizedRows: [BufferID: BufferID] = [:]
  var quantizedColumns: [BufferID: BufferID] = [:]
  /// What was turned into another format in this pass, activations and weights, by its buffer.
  var converted: [BufferID: BufferID] = [:]
  var convertedWeights: [BufferID: BufferID] = [:]
  /// The gradient of the rotary key until the split of the latent collects it, by value.
  var rotaryGradients: [Int: BufferID] = [:]
  /// Gradients of the routed rows' weights, by exchange, until permute and dispatch collect them.
  var weightGradients: [Int: BufferID] = [:]
  /// A transfer that has not been waited for, by the buffer that it writes.
  var pending: [BufferID: Int] = [:]
  /// Transfers of the chunks that come to a buffer and have not been waited for, in their order.
  var arriving: [BufferID: [Int]] = [:]
  /// What becomes of the chunks of a product that are sent away as they are made, by its buffer.
  var leaving: [BufferID: LeavingChunks] = [:]
  /// Parameters gathered and gradients not yet reduced in this pass, by parameter (ZeRO 3 and 2).
  var gathered: [Int: BufferID] = [:]
  /// Units that are gathered in one piece and not yet in use, and the parameters that they consist of.
  var joined: [(unit: Unit, whole: BufferID, parameters: [BufferID])] = []
  var wholeGradients: [Int: BufferID] = [:]
  /// Gradients formed in this pass that stay until it has ended.
  var keptGradients: [BufferID] = []
  /// What the weight half gathers again over the tensor group, by value.
  var regathered: [Int: BufferID] = [:]
  /// The unit whose gathered parameters were asked for last.
  var unitInUse: Unit?
  /// Items at the start that gather the first units.
  var prologue = 0
  var hasGatheredAhead = false
  /// The transfers of the reduction that was started last.
  var lastReductions: [Int] = []
  /// Nodes whose forward has been run again in this pass.
  var rerun: Set<Int> = []
  /// Gathers of layers that were run again whose rows weight products gather once more, whole.
  var regathers: Set<Int> = []
  var isRecomputing = false
  /// The node that is being emitted.
  var current: Node

  init(_ lowering: StageLowering, _ pass: Pass) {
    self.lowering = lowering
    self.pass = pass
    live = Array(repeating: nil, count: lowering.graph.values.count)
    gradients = live
    current = lowering.graph.nodes[0]
  }

  var graph: Graph { lowering.graph }
  /// The recipe of the layer that is emitted.
  var recipe: Recipe { lowering.setting.recipe(ofLayer: current.layer) }
  var isForward: Bool { pass == .forward }

  func value(_ id: ValueID) -> Value { graph.values[id.index] }

  // MARK: Items

  /// Appends an operation behind the waits that its inputs need.
  func emit(
    _ kernel: Kernel, outputs: [BufferID], inputs: [BufferID], _ half: Programs.Pass
  ) {
    waitFor(inputs)
    items.append(.operation(operation(kernel, outputs: outputs, inputs: inputs, half)))
  }

  /// Puts an operation of the weight half off to where it hides a transfer.
  func emitWeight(_ kernel: Kernel, outputs: [BufferID], inputs: [BufferID]) {
    deferred.append(
      .operation(operation(kernel, outputs: outputs, inputs: inputs, .backwardWeight)))
  }

  private func operation(
    _ kernel: Kernel, outputs: [BufferID], inputs: [BufferID], _ half: Programs.Pass
  ) -> Operation {
    Operation(
      kernel, outputs: outputs, inputs: inputs, phase: current.phase, pass: half,
      layer: current.layer, isRecomputed: isRecomputing)
  }

  func waitFor(_ inputs: [BufferID]) {
    guard !arriving.isEmpty || !pending.isEmpty else { return }
    for input in inputs {
      items += (arriving.removeValue(forKey: input) ?? []).map { .wait($0) }
      if let transfer = pending.removeValue(forKey: input) {
        for output in transfers[transfer].operands[..<transfers[transfer].outputCount] {
          pending[output] = nil
        }
        items.append(.wait(transfer))
      }
    }
  }

  /// Starts a transfer whose outputs are waited for where they are read.
  func start(
    _ kind: TransferKind, outputs: [BufferID], inputs: [BufferID], stream: Stream,
    bytesPerRow: Int, rows: Rows, _ half: Programs.Pass
  ) {
    waitFor(inputs)
    transfers.append(
      Transfer(
        kind, outputs: outputs, inputs: inputs, stream: stream, bytesPerRow: bytesPerRow,
        rows: rows, phase: current.phase, pass: half, layer: current.layer))
    items.append(.start(transfers.count - 1))
    for output in outputs { pending[output] = transfers.count - 1 }
  }

  /// Appends the weight operations that were put off, or in an input half hands them on.
  func flushWeights() {
    if pass == .backwardInput {
      weightItems += deferred
    } else {
      items += deferred
    }
    deferred = []
  }

  // MARK: Values

  /// A buffer that holds a value in its own format, computed again or read back if need be.
  func need(_ id: ValueID) -> BufferID {
    if let known = live[id.index] { return known }
    if isForward {
      let buffer = lowering.forwardBuffer(id)
      live[id.index] = buffer
      return buffer
    }
    let shape = value(id)
    let producer = graph.nodes[shape.producer]
    if producer.isRecomputed || (producer.isRerun && !isLayerOutput(id)) {
      recompute(shape.producer)
      if let made = live[id.index] { return made }
    }
    if shape.keptFormat != shape.format {
      let restored = lowering.like(id, ", restored")
      emit(
        .convert(
          shape.keptFormat.conversion(to: shape.format), rows: shape.rows, columns: shape.columns,
          from: shape.keptFormat, to: shape.format), outputs: [restored],
        inputs: [lowering.keptBuffer(id)],
        .backwardInput)
      live[id.index] = restored
      return restored
    }
    let buffer = keptInFloat8(id) ?? lowering.forwardBuffer(id)
    live[id.index] = buffer
    return buffer
  }

  /// The last value of a layer that is run again: the next layer's input, which is kept.
  private func isLayerOutput(_ id: ValueID) -> Bool {
    let producer = value(id).producer
    let next = producer + 1
    return next >= graph.nodes.count || graph.nodes[next].layer != graph.nodes[producer].layer
      || !graph.nodes[next].isRerun
  }

  /// Runs a node's forward again inside a backward.
  func recompute(_ index: Int) {
    guard rerun.insert(index).inserted else { return }
    let (outer, wasRecomputing) = (current, isRecomputing)
    current = graph.nodes[index]
    isRecomputing = true
    emitForward(of: index)
    (current, isRecomputing) = (outer, wasRecomputing)
  }

  /// The buffer that this pass writes a node's output into.
  func outputBuffer(_ id: ValueID) -> BufferID {
    let buffer = isForward ? lowering.forwardBuffer(id) : lowering.like(id, ", again")
    live[id.index] = buffer
    return buffer
  }

  /// A node's auxiliaries: the forward's, or new ones where its forward is run again.
  func outputAuxiliaries(_ index: Int) -> [BufferID] {
    if isForward { return lowering.auxiliaries(of: index) }
    let made = lowering.makeAuxiliaries(of: index)
    recomputedAuxiliaries[index] = made
    return made
  }

  var recomputedAuxiliaries: [Int: [BufferID]] = [:]

  /// The auxiliaries that a backward reads.
  func auxiliaries(_ index: Int) -> [BufferID] {
    let node = graph.nodes[index]
    if node.isRecomputed || node.isRerun { recompute(index) }
    return recomputedAuxiliaries[index] ?? lowering.auxiliaries(of: index)
  }

  // MARK: Gradients

  /// The gradient of a value; there must be one.
  func gradient(_ id: ValueID) -> BufferID {
    guard let known = gradients[id.index] else {
      preconditionFailure("No gradient reaches \(value(id).name).")
    }
    return known
  }

  /// Adds a freshly written buffer to a value's gradient.
  func contribute(_ fresh: BufferID, to id: ValueID) {
    guard let known = gradients[id.index] else {
      gradients[id.index] = fresh
      return
    }
    let shape = value(id)
    emit(
      .add(rows: shape.rows, columns: shape.columns, terms: 2), outputs: [fresh],
      inputs: [fresh, known], .backwardInput)
    gradients[id.index] = fresh
  }

  /// A new buffer for a gradient of a value.
  func gradientBuffer(_ id: ValueID) -> BufferID {
    let format = recipe.activation
    return lowering.like(id, " gradient", format: format)
  }

  /// Exchanges one buffer for another in all that was emitted.
  func rename(_ old: BufferID, to new: BufferID) {
    func rename(_ operands: inout [BufferID]) {
      for place in operands.indices where operands[place] == old { operands[place] = new }
    }
    func rename(_ list: inout [Item]) {
      for place in list.indices {
        guard case .operation(var operation) = list[place], operation.operands.contains(old) else {
          continue
        }
        rename(&operation.operands)
        list[place] = .operation(operation)
      }
    }
    rename(&items)
    rename(&weightItems)
    for place in transfers.indices { rename(&transfers[place].operands) }
  }
}
