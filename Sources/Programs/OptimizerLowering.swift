import Models

extension StageProgram {
  /// Adds the optimizer: its state, and the programs that reduce, measure, update and gather.
  ///
  /// With ZeRO stage 0 gradients are all-reduced and every copy updates everything. From stage 1 on they
  /// are reduce-scattered, each copy updates its shard, and parameters are gathered. Gradients are reduced
  /// in place where they travel in the format in which they are kept; else the buckets under way have a copy.
  mutating func addOptimizer(_ setting: LoweringSetting, _ architecture: Architecture) {
    let groups: [TransferKind.Group] = [
      .gradient, .expertGradient, .sharedEmbedding, .sharedHead,
    ]
    var unpacked: [Unpacking] = []
    let all = reductions(groups, setting)
    var travelling = TravellingCopies(
      behindEachOther: setting.zeroStage >= 2
        ? 0 : all.count { Self.copies(of: $0.0, setting, architecture).copies > 1 })
    for (group, members) in all {
      let (copies, uses) = Self.copies(of: group, setting, architecture)
      let first = reduce.steps.count
      addKeyValueReduction(of: members, setting, architecture)
      unpacked += addSegment(
        group, members, copies: copies, uses: uses, &travelling, setting, architecture)
      reductionParts.append(first..<reduce.steps.count)
    }
    if reduce.steps.isEmpty { reductionParts = [] }
    settle.transfers = update.transfers
    settle.steps = update.transfers.indices.map { .wait(Int32($0)) }
    for unpacking in unpacked { addUnpacking(unpacking, setting) }
    if setting.recipe.keepsQuantizedWeights { addQuantization(setting) }
  }

  /// What is reduced together: groups, or buckets of them in the order in which a backward completes them.
  ///
  /// A shared tensor meets its other uses as a whole.
  private func reductions(
    _ groups: [TransferKind.Group], _ setting: LoweringSetting
  ) -> [(TransferKind.Group, [Int])] {
    let all = groups.flatMap { group -> [(TransferKind.Group, [Int])] in
      let members = parameters.indices.filter {
        parameters[$0].isTrained && parameters[$0].gradientGroup == group && hasOwnGradient($0)
      }
      let isShared = group == .sharedEmbedding || group == .sharedHead
      let size = isShared ? nil : setting.bucketElements
      return byGatherFormat(members, setting).flatMap { buckets(of: $0, size: size) }
        .map { (group, $0) }
    }
    guard setting.bucketElements != nil else { return all }
    let writes = lastWrites(in: backward)
    func ready(_ members: [Int]) -> Int { members.map { writes[$0] }.max() ?? -1 }
    return all.enumerated().sorted { first, second in
      let (one, other) = (ready(first.element.1), ready(second.element.1))
      return one == other ? first.offset < second.offset : one < other
    }.map(\.element)
  }

  /// Weights that are gathered in FP8 and all others apart, as Megatron-Core has a buffer for each format of
  /// parameters (`distributed/param_and_grad_buffer.py`).
  private func byGatherFormat(_ members: [Int], _ setting: LoweringSetting) -> [[Int]] {
    guard setting.recipe.keepsFloat8Weights else { return [members] }
    let narrow = members.filter { gatherFormat(of: parameters[$0], setting).isFloat8 }
    return [narrow, members.filter { !narrow.contains($0) }]
  }

  private func gatherFormat(
    of parameter: StageParameter, _ setting: LoweringSetting
  ) -> Format {
    setting.recipe(of: parameter).gather(of: parameter)
  }

  /// A parameter that arrives in another format than it is kept in.
  private struct Unpacking {
    var parameter: Int
    var arrived: BufferID
  }

  /// Turns what was gathered into the working copy.
  private mutating func addUnpacking(_ unpacking: Unpacking, _ setting: LoweringSetting) {
    let parameter = parameters[unpacking.parameter]
    let recipe = setting.recipe(of: parameter)
    settle.steps.append(.compute(Int32(settle.operations.count)))
    settle.steps.append(.release(unpacking.arrived))
    settle.operations.append(
      conversion(
        parameter, from: gatherFormat(of: parameter, setting),
        to: recipe.workingCopy(of: parameter), outputs: [parameter.buffer],
        inputs: [unpacking.arrived]))
  }

  func conversion(
    _ parameter: StageParameter, from: Format, to: Format, outputs: [BufferID], inputs: [BufferID]
  ) -> Operation {
    Operation(
      .convert(
        from.conversion(to: to), rows: .fixed(parameter.rows), columns: parameter.columns,
        from: from, to: to), outputs: outputs, inputs: inputs, phase: .optimizer,
      pass: .backwardWeight, layer: -1)
  }

  /// A communication buffer for a whole parameter or gradient in the format in which it travels.
  mutating func packed(
    _ name: String, _ parameter: StageParameter, _ format: Format
  ) -> BufferID {
    buffers.append(
      Buffer(
        "\(parameter.roles[0].rawValue) \(name)", .communication, .action,
        rows: .fixed(parameter.rows), columns: parameter.columns, format: format))
    return BufferID(buffers.count - 1)
  }

  /// The copies of a group's tensors, and the gradients that are added up for them.
  private static func copies(
    of group: TransferKind.Group, _ setting: LoweringSetting, _ architecture: Architecture
  ) -> (copies: Int, uses: Int) {
    let replicas = setting.gradientCopies
    switch group {
    case .expertGradient: return (setting.expertCopies, setting.expertCopies)
    case .sharedEmbedding:
      let modules = architecture.multiTokenPrediction
      let tied = architecture.tiedEmbeddings
      let uses = (1 + modules) * (tied ? 2 : 1)
      return (replicas * setting.embeddingStages, replicas * uses)
    case .sharedHead:
      return (replicas * setting.headStages, replicas * (1 + architecture.multiTokenPrediction))
    default: return (replicas, replicas)
    }
  }

  /// Gives the parameters that are gathered in another format than they are kept in.
  private mutating func addSegment(
    _ group: TransferKind.Group, _ members: [Int], copies: Int, uses: Int,
    _ travelling: inout TravellingCopies, _ setting: LoweringSetting,
    _ architecture: Architecture
  ) -> [Unpacking] {
    var segment = GradientSegment(
      group: group, parameters: members, elements: 0, copies: copies, shards: [], folds: [],
      shardElements: 0)
    let shards = setting.dividing(segment).map { setting.shards(isExpert: $0.isExpert) } ?? copies
    let isSharded = setting.zeroStage >= 1 && shards > 1
    let tensors = segment.isShared ? Array(members[..<1]) : members
    let sizes = tensors.map { parameters[$0].elements }
    segment.elements = sizes.reduce(0, +)
    segment.folds = GradientSegment.parts(of: sizes, into: isSharded ? shards : copies)
    segment.shards =
      isSharded ? segment.folds : Array(repeating: 0..<segment.elements, count: copies)
    segment.shardElements = segment.shards.map(\.count).max() ?? 0
    // From ZeRO stage 2 on every backward has reduced its layers' gradients already.
    if copies > 1, setting.zeroStage < 2 || !isSharded {
      addReduction(&segment, uses: uses, isSharded: isSharded, &travelling, setting)
    }
    let gradients = members.map { parameters[$0].gradient }
    if copies == 1, segment.isShared {
      for use in gradients.dropFirst() {
        appendNorm(.fold(elements: segment.elements), outputs: [gradients[0]], inputs: [use])
      }
    }
    let source = segment.shardGradient.map { [$0] } ?? tensors.map { parameters[$0].gradient }
    let format = buffers[Int(source[0].index)].format
    appendNorm(.squareSum(elements: segment.shardElements, format), outputs: [], inputs: source)
    let unpacked = addUpdate(
      &segment, tensors, source, isSharded: isSharded, setting, architecture)
    segments.append(segment)
    return unpacked
  }

  private mutating func addReduction(
    _ segment: inout GradientSegment, uses: Int, isSharded: Bool,
    _ travelling: inout TravellingCopies, _ setting: LoweringSetting
  ) {
    let recipe = setting.recipe
    let group = segment.group
    let gradients = addCopies(of: segment, isSharded: isSharded, &travelling, recipe)
    var outputs = gradients
    if recipe.gradient != recipe.reduction, isSharded {
      let shard = add("\(group) shard", .communication, segment.shardElements, recipe.reduction)
      segment.shardGradient = shard
      outputs = [shard]
    }
    if setting.target == .cpuRank {
      // A CPU rank receives every sum of every contribution before it folds them in tree order.
      let own = segment.isShared ? segment.parameters.count : 1
      let largest = segment.folds.map(\.count).max() ?? 0
      let staging = add(
        "\(group) contributions", .communication, (uses - own) * setting.laneSums * largest,
        recipe.gradient)
      buffers[Int(staging.index)].scope = .action
      segment.contributions = staging
      outputs.append(staging)
      reduce.steps.append(.acquire(staging))
    }
    let groups = isSharded ? setting.dividing(segment) : nil
    addTransfer(
      isSharded ? .reduceScatter(groups?.dividing ?? group) : .allReduce(group), outputs, gradients,
      segment.elements, recipe)
    if let groups {
      addTransfer(.allReduce(groups.equal), outputs, outputs, segment.shardElements, recipe)
    }
    if let staging = segment.contributions { norm.steps.append(.release(staging)) }
    if let last = travelling.takeLast() { finish(last, in: \.norm, recipe) }
  }

  /// Starts a part of a segment's reduction, for which the norm waits.
  private mutating func addTransfer(
    _ kind: TransferKind, _ outputs: [BufferID], _ inputs: [BufferID], _ elements: Int,
    _ recipe: Recipe
  ) {
    reduce.steps.append(.start(Int32(reduce.transfers.count)))
    norm.steps.append(.wait(Int32(reduce.transfers.count)))
    reduce.transfers.append(
      Transfer(
        kind, outputs: outputs, inputs: inputs, stream: .data,
        bytesPerRow: recipe.reduction.bytes(columns: 1), rows: .fixed(elements),
        phase: .optimizer, pass: .backwardWeight, layer: -1, segment: segments.count))
  }

  private mutating func appendNorm(_ kernel: Kernel, outputs: [BufferID], inputs: [BufferID]) {
    norm.steps.append(.compute(Int32(norm.operations.count)))
    norm.operations.append(
      Operation(
        kernel, outputs: outputs, inputs: inputs, phase: .optimizer, pass: .backwardWeight,
        layer: -1))
  }

  private mutating func addUpdate(
    _ segment: inout GradientSegment, _ tensors: [Int], _ source: [BufferID],
    isSharded: Bool, _ setting: LoweringSetting, _ architecture: Architecture
  ) -> [Unpacking] {
    let owned = segment.shardElements
    let recipe = setting.recipe
    let matrices = setting.optimizer == .muon ? tensors.filter { isMatrix(parameters[$0]) } : []
    let withTwoMoments = owned - matrices.reduce(0) { $0 + parameters[$1].elements }
    let away = Int((setting.offload.optimizer * Double(owned)).rounded())
    let state = addState(
      &segment, owned - away, withTwoMoments: withTwoMoments - away, recipe)
    let isGathered = isSharded && setting.zeroStage < 3
    // The same of all that are reduced together.
    let gather =
      tensors.first.map { gatherFormat(of: parameters[$0], setting) } ?? recipe.gather
    var unpacked: [Unpacking] = []
    let written = tensors.map { index in
      let parameter = parameters[index]
      guard isGathered, gather != setting.recipe(of: parameter).workingCopy(of: parameter) else {
        return parameter.buffer
      }
      let made = packed("gathered", parameter, gather)
      update.steps.append(.acquire(made))
      unpacked.append(Unpacking(parameter: index, arrived: made))
      return made
    }
    if matrices.isEmpty || withTwoMoments > 0 {
      let others = tensors.indices.filter { !matrices.contains(tensors[$0]) }
      let bytes =
        setting.updatesByOperators
        ? withTwoMoments * bytesOfOperators(gradient: source[0], recipe)
        : bytesOfUpdate(
          segment, others.map { tensors[$0] }, source, others.map { written[$0] },
          elements: withTwoMoments, recipe)
      let hostBytes =
        2 * recipe.moment.bytes(columns: away) + (recipe.master?.bytes(columns: away) ?? 0)
      appendUpdate(
        away == 0
          ? .adamW(elements: withTwoMoments, bytes: bytes)
          : .streamedAdamW(elements: withTwoMoments, bytes: bytes, hostBytes: hostBytes),
        outputs: written + state, inputs: source)
    }
    addOrthogonalization(of: matrices, segment, source, setting, architecture)
    if gather.isFloat8, recipe.scaling == .current, let format = recipe.master {
      // Scales follow from the updated master weights, before these are cast; of what comes from the host as
      // it goes by.
      update.addScales(of: owned - away, columns: 1, format, inputs: state.suffix(1))
    }
    guard isGathered else { return unpacked }
    let index = Int32(update.transfers.count)
    update.transfers.append(
      Transfer(
        .allGather(setting.dividing(segment)?.dividing ?? segment.group), outputs: written,
        inputs: written, stream: .data,
        bytesPerRow: gather.bytes(columns: 1), rows: .fixed(owned), phase: .optimizer,
        pass: .backwardWeight, layer: -1, segment: segments.count))
    update.steps.append(.start(index))
    return unpacked
  }

  /// The optimizer's own buffers on the device: moments, of what has two of them both, and master weights.
  private mutating func addState(
    _ segment: inout GradientSegment, _ owned: Int, withTwoMoments: Int, _ recipe: Recipe
  ) -> [BufferID] {
    segment.firstMoment = add("\(segment.group) first moment", .optimizer, owned, recipe.moment)
    var state = [segment.firstMoment]
    if withTwoMoments > 0 || owned == 0 {
      segment.secondMoment = add(
        "\(segment.group) second moment", .optimizer, withTwoMoments, recipe.moment)
      state.append(segment.secondMoment)
    }
    if let master = recipe.master {
      state.append(add("\(segment.group) master weights", .optimizer, owned, master))
    }
    return state
  }

  mutating func appendUpdate(_ kernel: Kernel, outputs: [BufferID], inputs: [BufferID]) {
    update.steps.append(.compute(Int32(update.operations.count)))
    update.operations.append(
      Operation(
        kernel, outputs: outputs, inputs: inputs, phase: .optimizer, pass: .backwardWeight,
        layer: -1))
  }

  /// What operators move of a number, one after the other: the scale of clipped gradients; of each moment its decay
  /// and what is added; a root, a quotient and an addition in 32 bits; the step.
  ///
  /// Source: Composer 0.16, `optim/decoupled_weight_decay.py`, `DecoupledAdamW.adamw` without weight decay; PyTorch 2.1,
  /// `torch/distributed/fsdp/fully_sharded_data_parallel.py`, `clip_grad_norm_`. PyTorch's own is as much: it decays the
  /// parameters too, and the first moment's two are one (`torch/optim/adamw.py`, `_multi_tensor_adamw`).
  private func bytesOfOperators(gradient: BufferID, _ recipe: Recipe) -> Int {
    func size(_ format: Format) -> Int { format.bytes(columns: 1) }
    let (gradient, moment) = (size(buffers[Int(gradient.index)].format), size(recipe.moment))
    let parameter = size(recipe.master ?? recipe.optimizerProduct)
    let decayed = 2 * (2 * moment + 2 * moment + gradient)
    let denominator = (moment + 4) + 8 + 8
    return 2 * gradient + decayed + denominator + 2 * parameter + moment + 4
  }

  /// What an update reads and writes: gradients in, master weights and two moments in and out, and this
  /// rank's part of the parameters out, in and out where no master weights stand for them.
  private func bytesOfUpdate(
    _ segment: GradientSegment, _ tensors: [Int], _ source: [BufferID], _ written: [BufferID],
    elements: Int, _ recipe: Recipe
  ) -> Int {
    func size(_ format: Format) -> Int { format.bytes(columns: 1) }
    let fixed = size(buffers[Int(source[0].index)].format) + 2 * (recipe.master.map(size) ?? 0)
    let ofShard = elements * fixed + 4 * recipe.moment.bytes(columns: elements)
    let parameters = zip(tensors, written).reduce(0) { sum, pair in
      let parameter = self.parameters[pair.0]
      let out = size(buffers[Int(pair.1.index)].format)
      let into = recipe.master == nil ? size(recipe.workingCopy(of: parameter)) : 0
      return sum + parameter.elements * (out + into)
    }
    let whole = tensors.reduce(0) { $0 + self.parameters[$1].elements }
    return ofShard
      + Int((Double(parameters) * Double(elements) / Double(max(1, whole))).rounded())
  }

  private mutating func add(
    _ name: String, _ use: Buffer.Use, _ elements: Int, _ format: Format
  ) -> BufferID {
    // Scales belong to blocks of numbers that lie one after the other.
    let isRow = format.isScaled
    buffers.append(
      Buffer(
        name, use, .stage, rows: .fixed(isRow ? 1 : elements), columns: isRow ? elements : 1,
        format: format))
    return BufferID(buffers.count - 1)
  }
}
