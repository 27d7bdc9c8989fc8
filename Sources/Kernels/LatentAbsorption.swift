/// The sizes of latent attention whose keys' and values' projection is taken into queries and results.
///
/// A head's key is W_k · latent and its value W_v · latent, so query · key = (W_kᵀ · query) · latent, and
/// the weighted sum of values is W_v · (the weighted sum of latents): the latents alone are kept and read
/// (DeepSeek-V2, arXiv 2405.04434, section 2.1.2).
public struct AbsorptionShape: Equatable, Sendable {
  public var tokens: Int
  public var heads: Int
  /// Width of a latent.
  public var latent: Int
  /// Width of a head's key, the rotary part apart.
  public var key: Int
  public var value: Int

  public init(tokens: Int, heads: Int, latent: Int, key: Int, value: Int) {
    precondition(tokens >= 0 && heads > 0 && latent > 0 && key > 0 && value > 0, "there are sides")
    self.tokens = tokens
    self.heads = heads
    self.latent = latent
    self.key = key
    self.value = value
  }
}

/// Takes the keys' projection into the queries: out = query · W_k, head by head.
///
/// - Parameters:
///   - out: (tokens, heads, latent), not overlapping the query.
///   - query: (tokens, heads, key).
///   - weight: (heads, key + value, latent), of every head first W_k, then W_v.
public func absorbKeys(
  _ out: MutableHeads, _ query: Heads, weight: UnsafePointer<Float>, _ shape: AbsorptionShape,
  on bench: Workbench
) {
  for head in 0..<shape.heads {
    let own = weight + head * (shape.key + shape.value) * shape.latent
    matmul(
      out.at(token: 0, head: head), stride: out.tokenStride,
      Factor(query.at(token: 0, head: head), stride: query.tokenStride),
      Factor(own, stride: shape.latent, isWeight: true),
      ProductSize(m: shape.tokens, n: shape.latent, k: shape.key), on: bench)
  }
}

/// Projects attended latents to values: out = attended · W_vᵀ, head by head.
///
/// - Parameters:
///   - out: (tokens, heads, value), not overlapping the latents.
///   - attended: (tokens, heads, latent).
///   - weight: as of `absorbKeys`.
public func expandValues(
  _ out: MutableHeads, _ attended: Heads, weight: UnsafePointer<Float>, _ shape: AbsorptionShape,
  on bench: Workbench
) {
  for head in 0..<shape.heads {
    let own = weight + (head * (shape.key + shape.value) + shape.key) * shape.latent
    matmul(
      out.at(token: 0, head: head), stride: out.tokenStride,
      Factor(attended.at(token: 0, head: head), stride: attended.tokenStride),
      Factor(own, stride: shape.latent, isTransposed: true, isWeight: true),
      ProductSize(m: shape.tokens, n: shape.value, k: shape.latent), on: bench)
  }
}
