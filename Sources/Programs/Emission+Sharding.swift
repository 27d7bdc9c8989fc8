import Models

/// ZeRO stages 2 and 3: gradients that are reduced to shards layer by layer, and parameters that are
/// gathered for the layer that needs them.
extension Emission {
  /// The whole parameter: the stage's own buffer, or one that is gathered from the shards.
  func parameterBuffer(_ id: ParameterID) -> BufferID {
    guard lowering.shardsParameter(id) else { return lowering.parameters[id.index].buffer }
    let unit = lowering.parameters[id.index].unit
    if unit != unitInUse {
      unitInUse = unit
      enter(unit)
    }
    guard let made = gathered[id.index] else {
      preconditionFailure("A gathered unit has all of its parameters.")
    }
    return made
  }

  /// The units in the order in which the pass needs them.
  private var unitsInOrder: [Unit] {
    var units: [Unit] = []
    for parameter in lowering.parameters where units.last != parameter.unit {
      units.append(parameter.unit)
    }
    return isForward ? units : units.reversed()
  }

  /// Gathers the first unit, which happens in the action before where units are gathered ahead.
  ///
  /// The look-ahead reaches across passes by one unit, however far it goes within one: what the action before
  /// reduces is on the stream before this one begins, and so many gathers in front of it would hold it up,
  /// which no framework does.
  func emitPrologue() {
    guard lowering.setting.prefetchedUnits > 0 else { return }
    for unit in unitsInOrder.prefix(1) { gather(unit) }
    prologue = items.count
  }

  /// A unit is computed, whose own parameters were gathered likewise: those of the next ones are gathered
  /// beside it, and at the last one what the next action begins with.
  private func enter(_ unit: Unit) {
    gather(unit)
    copyOut(unit)
    let ahead = lowering.setting.prefetchedUnits
    let units = unitsInOrder
    guard ahead > 0, let place = units.firstIndex(of: unit) else { return }
    for next in units[(place + 1)...].prefix(ahead) { gather(next) }
    // A backward reads no embedding.
    let last = units.last { isForward || $0 != .embedding }
    if unit == last { gatherAhead() }
  }

  /// Starts the next action's first gathers, once in a pass.
  func gatherAhead() {
    guard lowering.setting.prefetchedUnits > 0, !hasGatheredAhead,
      lowering.parameters.contains(where: lowering.shardsParameter)
    else { return }
    hasGatheredAhead = true
    items.append(.gatherAhead)
  }

  /// Starts to gather a unit's parameters: one transfer for those that all replicas share, one for experts.
  private func gather(_ unit: Unit) {
    for isExpert in [false, true] {
      let members = lowering.parameters.indices.filter { index in
        let parameter = lowering.parameters[index]
        return parameter.unit == unit && parameter.isExpert == isExpert && gathered[index] == nil
          && lowering.shardsParameter(ParameterID(index: index))
      }
      guard !members.isEmpty else { continue }
      let wholes = members.map(lowering.gatheredParameter)
      for (index, whole) in zip(members, wholes) { gathered[index] = whole }
      // What the forward has gathered is still there.
      if !isForward, !lowering.setting.reshards { continue }
      let shards = lowering.setting.shards(isExpert: isExpert)
      let elements = members.reduce(0) {
        $0 + (lowering.parameters[$1].elements + shards - 1) / shards
      }
      start(
        .allGather(lowering.setting.dividing(isExpert: isExpert)),
        outputs: arriving(unit, members, wholes),
        inputs: members.map(shardToGather), stream: .data,
        bytesPerRow: recipe.gather.bytes(columns: 1), rows: .fixed(elements),
        isForward ? .forward : .backwardInput)
    }
  }

  /// Where a gathered unit arrives: in its parameters, or in one buffer for all of them.
  ///
  /// Source: PyTorch 2.8, `torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py`, `foreach_all_gather`.
  private func arriving(_ unit: Unit, _ members: [Int], _ wholes: [BufferID]) -> [BufferID] {
    guard lowering.setting.copiesGathered, !recipe.gather.isScaled else { return wholes }
    let elements = members.reduce(0) { $0 + lowering.parameters[$1].elements }
    let whole = lowering.temporary(
      "unit, gathered", .fixed(elements), 1, recipe.gather, .parameter)
    joined.append((unit, whole, wholes))
    return [whole]
  }

  /// Makes the parameters of a unit that has arrived in one piece, in front of its first kernel
  /// (`foreach_all_gather_copy_out`).
  private func copyOut(_ unit: Unit) {
    for copy in joined where copy.unit == unit {
      emit(
        .convert(
          .copyOutOfUnit, rows: lowering.buffers[Int(copy.whole.index)].rows, columns: 1,
          from: recipe.gather, to: recipe.gather), outputs: copy.parameters, inputs: [copy.whole],
        isForward ? .forward : .backwardInput)
    }
    joined.removeAll { $0.unit == unit }
  }

  /// A rank's shard of a parameter as it travels.
  private func shardToGather(_ index: Int) -> BufferID {
    let parameter = lowering.parameters[index]
    let held = lowering.setting.recipe(of: parameter).workingCopy(of: parameter)
    guard held != recipe.gather else { return parameter.buffer }
    let shard = lowering.buffers[Int(parameter.buffer.index)]
    let out = lowering.temporary(
      "shard, converted", shard.rows, shard.columns, recipe.gather, .communication)
    emit(
      .convert(
        held.conversion(to: recipe.gather), rows: shard.rows, columns: shard.columns, from: held,
        to: recipe.gather), outputs: [out], inputs: [parameter.buffer],
      isForward ? .forward : .backwardInput)
    return out
  }

  /// Where a pass writes a parameter's gradient: the stage's own sum, or a whole gradient of this pass
  /// that is reduced to the shards when its layer is done.
  func gradientBuffer(_ id: ParameterID) -> BufferID {
    let parameter = lowering.parameters[id.index]
    guard lowering.shardsGradient(id) else { return parameter.gradient }
    if let known = wholeGradients[id.index] { return known }
    let made = lowering.temporary(
      "\(parameter.roles[0].rawValue) gradient, whole", .fixed(parameter.rows), parameter.columns,
      recipe.gradient, .gradient)
    wholeGradients[id.index] = made
    return made
  }

  /// Puts off the reduction of all whole gradients behind the weight products that write them.
  ///
  /// The last one of a pass runs on beside what the rank does next.
  func deferReductions() {
    for isExpert in [false, true] {
      let members = wholeGradients.keys.sorted().filter {
        lowering.parameters[$0].isExpert == isExpert
      }
      guard !members.isEmpty else { continue }
      let formed = members.compactMap { wholeGradients[$0] }
      joinGradients(of: members, formed)
      let wholes = formed.map(gradientToReduce)
      deferred += lastReductions.map { .wait($0) }
      lastReductions = reduce(members, wholes, isExpert: isExpert)
      deferred += lastReductions.map { .start($0) }
      if !lowering.setting.overlapsReduction {
        deferred += lastReductions.map { .wait($0) }
        lastReductions = []
      }
    }
    wholeGradients = [:]
  }

  /// Scatters gradients to the shards, and where the copies divide their state in groups adds the shards of
  /// all groups up behind that.
  private func reduce(_ members: [Int], _ wholes: [BufferID], isExpert: Bool) -> [Int] {
    let setting = lowering.setting
    let shards = members.map { lowering.parameters[$0].gradient }
    func add(_ kind: TransferKind, _ inputs: [BufferID], _ elements: (Int) -> Int) -> Int {
      transfers.append(
        Transfer(
          kind, outputs: shards, inputs: inputs, stream: .data,
          bytesPerRow: recipe.reduction.bytes(columns: 1),
          rows: .fixed(members.reduce(0) { $0 + elements(lowering.parameters[$1].elements) }),
          phase: .optimizer, pass: .backwardWeight, layer: current.layer))
      return transfers.count - 1
    }
    let scatter = add(.reduceScatter(setting.dividing(isExpert: isExpert)), wholes) { $0 }
    guard let replicas = setting.equal(isExpert: isExpert) else { return [scatter] }
    let count = setting.shards(isExpert: isExpert)
    return [scatter, add(.allReduce(replicas), shards) { ($0 + count - 1) / count }]
  }

  /// A whole gradient as it travels.
  private func gradientToReduce(_ whole: BufferID) -> BufferID {
    guard recipe.gradient != recipe.reduction else { return whole }
    let shape = lowering.buffers[Int(whole.index)]
    let out = lowering.temporary(
      "\(shape.name), converted", shape.rows, shape.columns, recipe.reduction, .communication)
    emitWeight(
      .convert(
        recipe.gradient.conversion(to: recipe.reduction), rows: shape.rows, columns: shape.columns,
        from: recipe.gradient, to: recipe.reduction), outputs: [out], inputs: [whole])
    return out
  }

}

extension StageLowering {
  /// The buffer of a parameter that is gathered in a pass; one for forward and backward where the forward's
  /// is kept.
  func gatheredParameter(_ index: Int) -> BufferID {
    if let kept = keptParameters[index] { return kept }
    let parameter = parameters[index]
    let made = temporary(
      "\(parameter.roles[0].rawValue), gathered", .fixed(parameter.rows), parameter.columns,
      setting.recipe.gather, .parameter)
    if !setting.reshards { keptParameters[index] = made }
    return made
  }

  /// ZeRO stage 3: a rank keeps a shard of the parameter.
  func shardsParameter(_ id: ParameterID) -> Bool {
    shardsParameter(graph.parameters[id.index])
  }

  func shardsParameter(_ parameter: StageParameter) -> Bool {
    setting.zeroStage >= 3 && (parameter.isTrained || parameter.isFrozen)
      && setting.shards(isExpert: parameter.isExpert) > 1
  }

  /// ZeRO stage 2: a rank keeps a shard of the gradient.
  ///
  /// A fused head writes its own in the forward.
  func shardsGradient(_ id: ParameterID) -> Bool { shardsGradient(graph.parameters[id.index]) }

  func shardsGradient(_ parameter: StageParameter) -> Bool {
    let isFusedHead =
      setting.fusedHead
      && (parameter.roles.contains(.head) || parameter.roles.contains(.predictionHead))
    return setting.zeroStage >= 2 && parameter.isTrained && !isFusedHead
      && setting.shards(isExpert: parameter.isExpert) > 1
  }
}

extension Emission {
  /// Transfers that are started in this pass and not waited for.
  var leftUnderWay: [Int] {
    var open: [Int] = []
    for item in items {
      switch item {
      case .start(let index): open.append(index)
      case .wait(let index): open.removeAll { $0 == index }
      case .operation, .gatherAhead: break
      }
    }
    return open
  }
}
