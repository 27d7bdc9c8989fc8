import Models

/// Turns a stage's graph into its four programs.
///
/// Backward programs are emitted first: what they need decides what the forward keeps. Buffers are
/// acquired before their first use and released behind their last by `Liveness`, which sees all four.
final class StageLowering {
  let graph: Graph
  let setting: LoweringSetting
  private(set) var buffers: [Buffer] = []
  private(set) var parameters: [StageParameter] = []
  /// The forward's buffer of a value, in the value's own format.
  private var forwardBuffers: [BufferID?]
  /// The buffer that a value is kept in where that is another format than its own.
  private var keptBuffers: [BufferID?]
  /// What a node writes beside its values: statistics, masks, the logarithms of sums.
  private var auxiliaryBuffers: [[BufferID]]
  /// The row-quantised form of a value that the forward's product read.
  private var quantizedBuffers: [BufferID?]
  /// The same in columns, for the weight gradient.
  private var columnBuffers: [BufferID?]
  /// The nodes of each layer, in their order.
  private let nodesOfLayers: [Int: [Int]]
  /// Gathered parameters that a forward keeps for its backward.
  var keptParameters: [Int: BufferID] = [:]
  let input: BufferID?
  let output: BufferID?
  let inputGradient: BufferID?
  let outputGradient: BufferID?

  init(_ graph: Graph, _ setting: LoweringSetting) {
    self.graph = graph
    self.setting = setting
    nodesOfLayers = Dictionary(grouping: graph.nodes.indices) { graph.nodes[$0].layer }
    forwardBuffers = Array(repeating: nil, count: graph.values.count)
    keptBuffers = forwardBuffers
    quantizedBuffers = forwardBuffers
    columnBuffers = forwardBuffers
    auxiliaryBuffers = Array(repeating: [], count: graph.nodes.count)
    var made: [Buffer] = []
    func boundary(_ value: ValueID?, _ name: String) -> BufferID? {
      guard let value else { return nil }
      let shape = graph.values[value.index]
      var buffer = Buffer(
        name, .activation, .microbatch, rows: shape.rows, columns: shape.columns,
        format: setting.recipe.pipelineSend)
      buffer.rows = setting.carried(behind: buffer.rows, bytesPerRow: buffer.bytesPerRow)
      made.append(buffer)
      return BufferID(made.count - 1)
    }
    var arriving: ValueID?
    if case .input? = graph.nodes.first?.kind { arriving = graph.nodes[0].outputs[0] }
    input = boundary(arriving, "input")
    output = boundary(graph.output, "output")
    inputGradient = boundary(arriving, "input gradient")
    outputGradient = boundary(graph.output, "output gradient")
    buffers = made
    if let arriving, setting.recipe.pipelineSend == setting.recipe.activation {
      forwardBuffers[arriving.index] = input
    }
    addParameters()
  }

  /// The nodes of a layer, in their order.
  func nodes(ofLayer layer: Int) -> [Int] { nodesOfLayers[layer] ?? [] }

  private func addParameters() {
    for var parameter in graph.parameters {
      let name = parameter.roles.map(\.rawValue).joined(separator: "+")
      // Uses of one tensor on one stage share its memory.
      let known = parameters.first { $0.isSameTensor(as: parameter) }
      if let known {
        parameter.buffer = known.buffer
      } else {
        parameter.buffer = stageBuffer(
          name, .parameter, parameter, isSharded: shardsParameter(parameter),
          setting.recipe(of: parameter).workingCopy(of: parameter))
      }
      if parameter.isTrained, setting.purpose == .training {
        if let known, addsGradients(of: parameter, to: known) {
          parameter.gradient = known.gradient
        } else {
          parameter.gradient = stageBuffer(
            "\(name) gradient", .gradient, parameter, isSharded: shardsGradient(parameter),
            setting.recipe.gradient)
        }
      }
      parameters.append(parameter)
    }
  }

  /// Whether a use of a tensor adds its gradient to that of another use, as a framework's one parameter
  /// has one gradient.
  ///
  /// On CPU ranks each use has a sum of its own: which uses lie on one stage depends on the plan, and sums
  /// do not, to the bit. Lanes have sums of their own as well.
  private func addsGradients(of use: StageParameter, to other: StageParameter) -> Bool {
    setting.target == .device && setting.lanes == 1
      && shardsGradient(use) == shardsGradient(other)
  }

  /// A buffer of the stage for a whole parameter, or for this rank's shard of it.
  private func stageBuffer(
    _ name: String, _ use: Buffer.Use, _ parameter: StageParameter, isSharded: Bool,
    _ format: Format
  ) -> BufferID {
    let shards = setting.shards(isExpert: parameter.isExpert)
    let shard = (parameter.elements + shards - 1) / shards
    var made = Buffer(
      name, use, .stage, rows: .fixed(isSharded ? shard : parameter.rows),
      columns: isSharded ? 1 : parameter.columns, format: format)
    // Under DualPipe the shards of a rank's stages are different parts of the tensor.
    if setting.target == .device, setting.lanes == 1, parameter.isShared, !isSharded {
      made.sharedTensor = parameter.gradientGroup
    }
    return buffer(made)
  }

  func buffer(_ buffer: Buffer) -> BufferID {
    buffers.append(buffer)
    return BufferID(buffers.count - 1)
  }

  /// A buffer of one action; `Liveness` widens its scope where a later pass reads it.
  func temporary(
    _ name: String, _ rows: Rows, _ columns: Int, _ format: Format,
    _ use: Buffer.Use = .activation
  ) -> BufferID {
    buffer(Buffer(name, use, .action, rows: rows, columns: columns, format: format))
  }

  /// A buffer shaped like a value.
  func like(_ value: ValueID, _ suffix: String = "", format: Format? = nil) -> BufferID {
    let shape = graph.values[value.index]
    return temporary(
      shape.name + suffix, shape.rows, shape.columns, format ?? shape.format)
  }

  /// The forward's buffer of a value; aliases share their source's.
  func forwardBuffer(_ value: ValueID) -> BufferID {
    if let known = forwardBuffers[value.index] { return known }
    let node = graph.nodes[graph.values[value.index].producer]
    let made: BufferID
    switch node.kind {
    case .copyToTensor, .ownRows: made = forwardBuffer(node.inputs[0])
    case .cache:
      let shape = graph.values[value.index]
      made = buffer(
        Buffer(
          shape.name, .activation, .stage, rows: shape.rows, columns: shape.columns,
          format: shape.format))
    default: made = like(value)
    }
    forwardBuffers[value.index] = made
    return made
  }

  /// The buffer in which the forward keeps a value in another format; asking for it makes the forward
  /// write it.
  func keptBuffer(_ value: ValueID) -> BufferID {
    if let known = keptBuffers[value.index] { return known }
    let made = like(value, ", kept", format: graph.values[value.index].keptFormat)
    keptBuffers[value.index] = made
    return made
  }

  /// The kept form, if a backward asked for it.
  func keptBufferIfNeeded(_ value: ValueID) -> BufferID? { keptBuffers[value.index] }

  /// The row-quantised form that the forward writes for its product.
  func quantizedBuffer(_ value: ValueID) -> BufferID {
    if let known = quantizedBuffers[value.index] { return known }
    let made = like(value, ", quantised", format: setting.recipe.float8)
    quantizedBuffers[value.index] = made
    return made
  }

  /// The form in columns that the forward writes beside the rows for its product; asking for it makes it
  /// do so.
  func columnBuffer(_ value: ValueID) -> BufferID {
    if let known = columnBuffers[value.index] { return known }
    let made = like(value, ", transposed", format: setting.recipe.float8)
    columnBuffers[value.index] = made
    return made
  }

  /// The form in columns, if a backward asked for it.
  func columnBufferIfNeeded(_ value: ValueID) -> BufferID? { columnBuffers[value.index] }

  /// What the forward of a node writes beside its values.
  func auxiliaries(of node: Int) -> [BufferID] {
    if auxiliaryBuffers[node].isEmpty { auxiliaryBuffers[node] = makeAuxiliaries(of: node) }
    return auxiliaryBuffers[node]
  }

  /// Whether a norm's operators keep what they write between them (PyTorch 2.5, `rms_norm`: the row's cast is what
  /// `pow` and its product with the root save, and the normed row what the gain's gradient needs).
  func keepsSteps(of node: Node) -> Bool {
    guard setting.keepsNormSteps, case .norm(_, centred: false) = node.kind else { return false }
    return graph.values[node.inputs[0].index].format != .float32
  }

  func makeAuxiliaries(of index: Int) -> [BufferID] {
    let node = graph.nodes[index]
    switch node.kind {
    case .norm(_, let centred):
      let value = graph.values[node.outputs[0].index]
      let statistics = temporary("statistics", value.rows, centred ? 2 : 1, .float32)
      guard keepsSteps(of: node) else { return [statistics] }
      return [
        statistics, temporary("row in 32 bits", value.rows, value.columns, .float32),
        temporary("row normed", value.rows, value.columns, setting.recipe.activation),
      ]
    case .gatedUnit where setting.keepsActivatedGates:
      let value = graph.values[node.outputs[0].index]
      return [
        temporary("activated gate", value.rows, value.columns, setting.recipe.activation)
      ]
    case .attention(let shape, let fused, let dropout):
      let scoreRows = Rows.fixed(shape.sequences * shape.heads * shape.queries)
      if fused {
        return [temporary("logarithms of sums", scoreRows, 1, .float32)]
      }
      let format = setting.recipe.activation
      let probabilities = temporary("probabilities", scoreRows, shape.keys, format)
      guard dropout else { return [probabilities] }
      return [
        probabilities, temporary("probabilities, dropped", scoreRows, shape.keys, format),
        temporary("probability mask", scoreRows, shape.keys, .byte),
      ]
    case .scan(let shape):
      // What is kept between chunks, from which each is computed again (32 bits in both libraries).
      return [temporary("states", .fixed(shape.stateElements), 1, .float32)]
    case .dropout:
      let value = graph.values[node.outputs[0].index]
      return [temporary("mask", value.rows, value.columns, .byte)]
    case .crossEntropy:
      let value = graph.values[node.inputs[0].index]
      let format = setting.fusedLoss ? value.format : .float32
      return [temporary("probabilities of tokens", value.rows, value.columns, format)]
    case .headLoss:
      let value = graph.values[node.inputs[0].index]
      return [temporary("head's hidden gradient", value.rows, value.columns, value.format)]
    default: return []
    }
  }
}

extension StageLowering {
  /// Emits all passes and places acquisitions and releases; but for training, the forward is all.
  static func program(for graph: Graph, _ setting: LoweringSetting) -> StageProgram {
    let lowering = StageLowering(graph, setting)
    let whole = Emission(lowering, .backward)
    let inputHalf = Emission(lowering, .backwardInput)
    if setting.purpose == .training {
      whole.emitBackward(input: true, weight: true)
      inputHalf.emitBackward(input: true, weight: true)
    }
    let weightHalf = inputHalf.splitOffWeights()
    let forward = Emission(lowering, .forward)
    forward.emitForward()
    let external = [
      lowering.input, lowering.output, lowering.inputGradient, lowering.outputGradient,
    ]
    let offloading = Offloading(
      setting.offload.activations, lowering.buffers, external: external, forward: forward,
      backwards: [whole, inputHalf, weightHalf])
    offloading.insert(whole: whole, inputHalf: inputHalf, weightHalf: weightHalf)
    let liveness = Liveness(
      lowering.buffers, external: external, offloaded: Set(offloading.offloaded.map(\.id)))
    return liveness.program(
      lowering: lowering, forward: forward, backward: whole, backwardInput: inputHalf,
      backwardWeight: weightHalf)
  }
}
