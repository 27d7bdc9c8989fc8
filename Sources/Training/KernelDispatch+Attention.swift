import Engines
import Glibc
import Kernels
import Models
import Programs

/// Cosines and sines of a model's rotary embedding, by position and pair.
final class RotaryTables {
  let cosine: UnsafeMutablePointer<Float>
  let sine: UnsafeMutablePointer<Float>
  let layout: RotaryLayout

  /// The tables of a model; none where positions are learned.
  init?(_ architecture: Architecture, positions: Int) {
    guard case .rotary(let rotary) = architecture.position else { return nil }
    let width: Int
    switch architecture.attention {
    case .multiHead(let shape): width = shape.headSize
    case .latent(let shape): width = shape.ropeHeadSize
    case .recurrent, .absent: return nil
    }
    layout = rotary.layout == .interleaved ? .interleaved : .halved
    let count = positions * width / 2
    cosine = .allocate(capacity: count)
    sine = .allocate(capacity: count)
    let factor = rotary.magnitude
    for (pair, frequency) in rotary.frequencies(columns: width).enumerated() {
      for position in 0..<positions {
        // Rounded as the published implementations round: frequency and angle are floats.
        let angle = Double(Float(position) * Float(frequency))
        cosine[position * width / 2 + pair] = Float(cos(angle) * factor)
        sine[position * width / 2 + pair] = Float(sin(angle) * factor)
      }
    }
  }

  deinit {
    cosine.deallocate()
    sine.deallocate()
  }
}

extension Architecture {
  /// What scores are multiplied by: 1/√width, and for latent attention with YaRN its factor.
  var scoreScale: Float {
    let plain = 1 / Double(attention.queryKeyHeadSize).squareRoot()
    guard case .latent = attention, case .rotary(let rotary) = position else { return Float(plain) }
    return Float(plain * rotary.latentScaleFactor)
  }
}

extension RankBackend {
  func attention(
    _ bound: BoundOperation, _ shape: Programs.AttentionShape, _ pass: Programs.Pass
  ) {
    precondition(
      shape.queryTile == Kernels.AttentionShape.queryTile,
      "the program counts tiles as the kernel takes them")
    if pass == .forward, decodes(bound, shape) { return }
    let sequences = shape.isCached ? shape.sequences : 1
    for sequence in 0..<sequences { attention(bound, shape, pass, cachedSequence: sequence) }
  }

  /// One query of every sequence against its cache, where rows are kept apart; false where it is no
  /// such attention.
  private func decodes(_ bound: BoundOperation, _ shape: Programs.AttentionShape) -> Bool {
    guard shape.isCached, shape.queries == 1, bench.keepsRowsApart else { return false }
    let key = shape.queryKeySize - shape.sharedKeySize
    let sizes = Kernels.AttentionShape(
      sequences: shape.sequences, queries: 1, keys: cachedPositions, heads: shape.heads,
      keyHeads: shape.keyValueHeads, keyWidth: key, sharedWidth: shape.sharedKeySize,
      valueWidth: shape.valueSize, scale: scoreScale, window: shape.window)
    guard sizes.sweepsOnce else { return false }
    let slot = Int(bound.instance.microbatch) * shape.sequences
    func heads(_ input: Int, _ count: Int, _ size: Int, from row: Int) -> Heads {
      let columns = count * size
      return Heads(bound.input(input) + row * columns, tokenStride: columns, headStride: size)
    }
    let first = slot * cachedPositions
    let inputs = AttentionInputs(
      query: heads(0, shape.heads, shape.queryKeySize, from: 0),
      key: heads(1, shape.keyValueHeads, key, from: first),
      sharedKey: shape.sharedKeySize == 0
        ? nil : heads(3, 1, shape.sharedKeySize, from: first),
      value: heads(2, shape.keyValueHeads, shape.valueSize, from: first))
    cached.withUnsafeBufferPointer { cached in
      attentionOfEach(
        MutableHeads(
          bound[0], tokenStride: shape.heads * shape.valueSize, headStride: shape.valueSize),
        inputs, sizes,
        before: UnsafeBufferPointer(rebasing: cached[slot..<slot + shape.sequences]), on: bench)
    }
    return true
  }

  /// All sequences of a microbatch, or one of those that are cached.
  private func attention(
    _ bound: BoundOperation, _ shape: Programs.AttentionShape, _ pass: Programs.Pass,
    cachedSequence sequence: Int
  ) {
    let (query, key) = (shape.queryKeySize, shape.queryKeySize - shape.sharedKeySize)
    let slot = shape.isCached ? Int(bound.instance.microbatch) * shape.sequences + sequence : 0
    let sizes = Kernels.AttentionShape(
      sequences: shape.isCached ? 1 : shape.sequences, queries: shape.queries,
      keys: shape.isCached ? cached[slot] + shape.queries : shape.keys, heads: shape.heads,
      keyHeads: shape.keyValueHeads, keyWidth: key, sharedWidth: shape.sharedKeySize,
      valueWidth: shape.valueSize, scale: scoreScale, window: shape.window)
    let first = pass == .forward ? 0 : 1
    let (row, cacheRow) = (sequence * shape.queries, slot * cachedPositions)
    func heads(
      _ start: UnsafeMutablePointer<Float>, _ count: Int, _ size: Int, from row: Int = 0
    ) -> MutableHeads {
      MutableHeads(start + row * count * size, tokenStride: count * size, headStride: size)
    }
    var inputs = AttentionInputs(
      query: heads(bound.input(first), shape.heads, query, from: row).reading,
      key: heads(bound.input(first + 1), shape.keyValueHeads, key, from: cacheRow).reading,
      sharedKey: shape.sharedKeySize == 0
        ? nil : heads(bound.input(first + 3), 1, shape.sharedKeySize, from: cacheRow).reading,
      value: heads(
        bound.input(first + 2), shape.keyValueHeads, shape.valueSize, from: cacheRow
      ).reading)
    let starts = shape.isCached ? nil : documentStarts(of: bound.instance)
    (starts ?? []).withUnsafeBufferPointer { starts in
      inputs.firstKeys = starts.isEmpty ? nil : starts.baseAddress
      if pass == .forward {
        attentionForward(
          heads(bound[0], shape.heads, shape.valueSize, from: row),
          logSum: bound[1] + row * shape.heads, inputs, sizes, on: bench)
      } else {
        attentionBackward(
          AttentionGradients(
            query: heads(bound[0], shape.heads, query),
            key: heads(bound[1], shape.keyValueHeads, key),
            value: heads(bound[2], shape.keyValueHeads, shape.valueSize)),
          heads(bound.input(0), shape.heads, shape.valueSize).reading, inputs,
          out: heads(bound.input(4), shape.heads, shape.valueSize).reading,
          logSum: bound.input(5), sizes, on: bench)
      }
    }
  }

  /// Rotates heads of an operation's microbatch, forwards or back.
  private func turn(
    _ out: MutableHeads, _ input: Heads, _ bound: BoundOperation, tokens: Int, heads: Int,
    width: Int, isForward: Bool
  ) {
    guard let rotary else { preconditionFailure("Positions are learned.") }
    if isForward, !cached.isEmpty, assignment.plan.sequenceLength == 1 {
      // One token of every sequence, each behind its own cache.
      let shape = RotaryShape(
        tokens: tokens, sequence: 1, heads: heads, width: width, layout: rotary.layout)
      let first = Int(bound.instance.microbatch) * tokens
      cached[first..<first + tokens].withUnsafeBufferPointer { positions in
        guard let start = positions.baseAddress else { return }
        rotaryForward(
          out, input, positions: start, cosine: rotary.cosine, sine: rotary.sine, shape)
      }
      return
    }
    for run in runs(of: bound.instance, tokens: tokens) {
      let shape = RotaryShape(
        tokens: run.count, sequence: run.sequence, heads: heads, width: width,
        layout: rotary.layout)
      let first = run.position * width / 2
      let (cosine, sine) = (rotary.cosine + first, rotary.sine + first)
      let (out, input) = (out.from(token: run.row), input.from(token: run.row))
      if isForward {
        rotaryForward(out, input, cosine: cosine, sine: sine, shape)
      } else {
        rotaryBackward(out, input, cosine: cosine, sine: sine, shape)
      }
    }
  }

  func splitHeads(_ bound: BoundOperation, _ shape: SplitHeads, _ pass: Programs.Pass) {
    let isForward = pass == .forward
    let size = shape.headSize
    var first = 0
    for (part, count) in [shape.heads, shape.keyValueHeads, shape.keyValueHeads].enumerated() {
      let fused = (isForward ? bound.input(0) : bound[0]) + first
      let own = isForward ? bound[part] : bound.input(part)
      let width = count * size
      if shape.rotates, part < 2 {
        let inFused = MutableHeads(fused, tokenStride: shape.columns, headStride: size)
        let inPart = MutableHeads(own, tokenStride: width, headStride: size)
        turn(
          isForward ? inPart : inFused, isForward ? inFused.reading : inPart.reading,
          bound, tokens: shape.tokens, heads: count, width: size, isForward: isForward)
      } else if isForward {
        copyRows(
          own, outStride: width, fused, stride: shape.columns, rows: shape.tokens, columns: width)
      } else {
        copyRows(
          fused, outStride: shape.columns, own, stride: width, rows: shape.tokens, columns: width)
      }
      first += width
    }
  }

  func rotate(
    _ bound: BoundOperation, tokens: Int, heads: Int, size: Int, _ pass: Programs.Pass
  ) {
    turn(
      MutableHeads(bound[0], tokenStride: heads * size, headStride: size),
      Heads(bound.input(0), tokenStride: heads * size, headStride: size), bound, tokens: tokens,
      heads: heads, width: size, isForward: pass == .forward)
  }

  func splitLatent(_ bound: BoundOperation, _ shape: LatentShape, _ pass: Programs.Pass) {
    let width = shape.latent + shape.rope
    if pass == .forward {
      copyRows(
        bound[0], outStride: shape.latent, bound.input(0), stride: width, rows: shape.tokens,
        columns: shape.latent)
    } else {
      copyRows(
        bound[0], outStride: width, bound.input(0), stride: shape.latent, rows: shape.tokens,
        columns: shape.latent)
      copyRows(
        bound[0] + shape.latent, outStride: width, bound.input(1), stride: shape.rope,
        rows: shape.tokens, columns: shape.rope)
    }
  }

  func assembleLatent(_ bound: BoundOperation, _ shape: LatentShape, _ pass: Programs.Pass) {
    let (nope, rope, value) = (shape.nope, shape.rope, shape.value)
    let rows = shape.tokens * shape.heads
    let isForward = pass == .forward
    let query = isForward ? bound[0] : bound.input(0)
    let key = isForward ? bound[1] : bound.input(1)
    let values = isForward ? bound[2] : bound.input(2)
    let queryUp = isForward ? bound.input(0) : bound[0]
    let keyValueUp = isForward ? bound.input(1) : bound[1]
    /// Copies a column block of every head one way or the other.
    func move(
      _ assembled: UnsafeMutablePointer<Float>, _ stride: Int,
      _ source: UnsafeMutablePointer<Float>, _ sourceStride: Int, _ columns: Int
    ) {
      if isForward {
        copyRows(
          assembled, outStride: stride, source, stride: sourceStride, rows: rows, columns: columns)
      } else {
        copyRows(
          source, outStride: sourceStride, assembled, stride: stride, rows: rows, columns: columns)
      }
    }
    func rotated(_ start: UnsafeMutablePointer<Float>) -> MutableHeads {
      MutableHeads(
        start + nope, tokenStride: shape.heads * (nope + rope), headStride: nope + rope)
    }
    move(query, nope + rope, queryUp, nope + rope, nope)
    move(key, nope + rope, keyValueUp, nope + value, nope)
    move(values, value, keyValueUp + nope, nope + value, value)
    turn(
      isForward ? rotated(query) : rotated(queryUp),
      isForward ? rotated(queryUp).reading : rotated(query).reading, bound,
      tokens: shape.tokens, heads: shape.heads, width: rope, isForward: isForward)
    if isForward {
      let down = shape.latent + rope
      let shared = Heads(bound.input(2) + shape.latent, tokenStride: down, headStride: 0)
      turn(
        rotated(key), shared, bound, tokens: shape.tokens, heads: shape.heads, width: rope,
        isForward: true)
    } else {
      sumRotaryKey(bound[2], key, shape, bound)
    }
  }

  private func absorption(_ shape: LatentShape) -> AbsorptionShape {
    AbsorptionShape(
      tokens: shape.tokens, heads: shape.heads, latent: shape.latent, key: shape.nope,
      value: shape.value)
  }

  func absorbLatent(_ bound: BoundOperation, _ shape: LatentShape) {
    let (latent, rope, heads) = (shape.latent, shape.rope, shape.heads)
    let query = Heads(
      bound.input(0), tokenStride: heads * (shape.nope + rope), headStride: shape.nope + rope)
    let out = MutableHeads(
      bound[0], tokenStride: heads * (latent + rope), headStride: latent + rope)
    absorbKeys(out, query, weight: bound.input(2), absorption(shape), on: bench)
    turn(
      MutableHeads(
        bound[0] + latent, tokenStride: out.tokenStride, headStride: out.headStride),
      Heads(
        bound.input(0) + shape.nope, tokenStride: query.tokenStride,
        headStride: query.headStride), bound, tokens: shape.tokens, heads: heads, width: rope,
      isForward: true)
    turn(
      MutableHeads(bound[1], tokenStride: rope, headStride: rope),
      Heads(bound.input(1) + latent, tokenStride: latent + rope, headStride: 0),
      bound, tokens: shape.tokens, heads: 1, width: rope, isForward: true)
  }

  func expandLatent(_ bound: BoundOperation, _ shape: LatentShape) {
    let heads = shape.heads
    expandValues(
      MutableHeads(bound[0], tokenStride: heads * shape.value, headStride: shape.value),
      Heads(bound.input(0), tokenStride: heads * shape.latent, headStride: shape.latent),
      weight: bound.input(1), absorption(shape), on: bench)
  }

  /// The gradient of the key part that all heads share: their sum, in order, turned back.
  private func sumRotaryKey(
    _ out: UnsafeMutablePointer<Float>, _ key: UnsafeMutablePointer<Float>, _ shape: LatentShape,
    _ bound: BoundOperation
  ) {
    let (nope, rope) = (shape.nope, shape.rope)
    let width = nope + rope
    for head in 0..<shape.heads {
      let part = key + head * width + nope
      let stride = shape.heads * width
      if head == 0 {
        copyRows(
          out, outStride: rope, part, stride: stride, rows: shape.tokens, columns: rope)
      } else {
        addRows(out, outStride: rope, part, stride: stride, rows: shape.tokens, columns: rope)
      }
    }
    let heads = MutableHeads(out, tokenStride: rope, headStride: rope)
    turn(heads, heads.reading, bound, tokens: shape.tokens, heads: 1, width: rope, isForward: false)
  }
}
