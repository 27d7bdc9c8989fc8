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
      gather(unit)
      // Its gather runs beside the computation of this unit, whose own was started likewise.
      if lowering.setting.overlapsGather, let next = neighbour(of: unit) { gather(next) }
    }
    guard let made = gathered[id.index] else {
      preconditionFailure("A gathered unit has all of its parameters.")
    }
    return made
  }

  /// The unit whose parameters are needed next: behind a unit in a forward, before it in a backward.
  private func neighbour(of unit: Unit) -> Unit? {
    var units: [Unit] = []
    for parameter in lowering.parameters where units.last != parameter.unit {
      units.append(parameter.unit)
    }
    guard let place = units.firstIndex(of: unit) else { return nil }
    let next = isForward ? place + 1 : place - 1
    return units.indices.contains(next) ? units[next] : nil
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
      let wholes = members.map { index in
        let parameter = lowering.parameters[index]
        return lowering.temporary(
          "\(parameter.roles[0].rawValue), gathered", .fixed(parameter.rows), parameter.columns,
          recipe.gather, .parameter)
      }
      for (index, whole) in zip(members, wholes) { gathered[index] = whole }
      let copies = lowering.copies(isExpert: isExpert)
      let elements = members.reduce(0) {
        $0 + (lowering.parameters[$1].elements + copies - 1) / copies
      }
      start(
        .allGather(isExpert ? .expertGradient : .gradient), outputs: wholes,
        inputs: members.map(shardToGather), stream: .data,
        bytesPerRow: recipe.gather.bytes(columns: 1), rows: .fixed(elements),
        isForward ? .forward : .backwardInput)
    }
  }

  /// A rank's shard of a parameter as it travels.
  private func shardToGather(_ index: Int) -> BufferID {
    let parameter = lowering.parameters[index]
    let held = recipe.workingCopy(of: parameter)
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
  func deferReductions() {
    for isExpert in [false, true] {
      let members = wholeGradients.keys.sorted().filter {
        lowering.parameters[$0].isExpert == isExpert
      }
      guard !members.isEmpty else { continue }
      let wholes = members.compactMap { wholeGradients[$0] }.map(gradientToReduce)
      if let last = lastReduction { deferred.append(.wait(last)) }
      transfers.append(
        Transfer(
          .reduceScatter(isExpert ? .expertGradient : .gradient),
          outputs: members.map { lowering.parameters[$0].gradient }, inputs: wholes,
          stream: .data, bytesPerRow: recipe.reduction.bytes(columns: 1),
          rows: .fixed(members.reduce(0) { $0 + lowering.parameters[$1].elements }),
          phase: .optimizer, pass: .backwardWeight, layer: current.layer))
      deferred.append(.start(transfers.count - 1))
      if lowering.setting.overlapsReduction {
        lastReduction = transfers.count - 1
      } else {
        deferred.append(.wait(transfers.count - 1))
      }
    }
    wholeGradients = [:]
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

  /// Waits for the last reduction of the pass.
  func finishReductions() {
    if let last = lastReduction { deferred.append(.wait(last)) }
    lastReduction = nil
  }
}

extension StageLowering {
  /// Ranks that hold a copy of a parameter.
  func copies(isExpert: Bool) -> Int { isExpert ? setting.expertCopies : setting.gradientCopies }

  /// ZeRO stage 3: a rank keeps a shard of the parameter.
  func shardsParameter(_ id: ParameterID) -> Bool {
    shardsParameter(graph.parameters[id.index])
  }

  func shardsParameter(_ parameter: StageParameter) -> Bool {
    setting.zeroStage >= 3 && parameter.isTrained && copies(isExpert: parameter.isExpert) > 1
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
      && copies(isExpert: parameter.isExpert) > 1
  }
}
