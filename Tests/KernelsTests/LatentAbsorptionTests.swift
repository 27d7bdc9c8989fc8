import Kernels
import Testing

@Suite struct LatentAbsorptionTests {
  /// Latents as keys and values give what keys and values projected from them give.
  @Test(arguments: [(1, 1, 4, 2, 3), (5, 3, 8, 6, 4), (7, 2, 16, 4, 12)])
  func absorbedEqualsProjected(
    _ tokens: Int, _ heads: Int, _ latent: Int, _ key: Int, _ value: Int
  ) {
    let shape = AbsorptionShape(
      tokens: tokens, heads: heads, latent: latent, key: key, value: value)
    let bench = Workbench()
    var numbers = Numbers(seed: 31)
    let rope = 2
    let query = numbers.floats(tokens * heads * (key + rope))
    let weight = numbers.floats(heads * (key + value) * latent)
    let attended = numbers.floats(tokens * heads * latent)
    let absorbed = filled(tokens * heads * latent) {
      absorbKeys(
        MutableHeads($0, tokenStride: heads * latent, headStride: latent),
        Heads(query, tokenStride: heads * (key + rope), headStride: key + rope),
        weight: weight, shape, on: bench)
    }
    #expect(bench.matmulFLOPs == 2 * tokens * heads * key * latent)
    let values = filled(tokens * heads * value) {
      expandValues(
        MutableHeads($0, tokenStride: heads * value, headStride: value),
        Heads(attended, tokenStride: heads * latent, headStride: latent), weight: weight, shape,
        on: bench)
    }
    func element(_ head: Int, _ row: Int, _ column: Int) -> Double {
      Double(weight[(head * (key + value) + row) * latent + column])
    }
    let rows = (0..<tokens).flatMap { token in (0..<heads).map { (token, $0) } }
    let expectedQuery = rows.flatMap { token, head in
      (0..<latent).map { column in
        (0..<key).reduce(0.0) {
          $0 + Double(query[(token * heads + head) * (key + rope) + $1]) * element(head, $1, column)
        }
      }
    }
    expectClose(absorbed, expectedQuery)
    let expectedValues = rows.flatMap { token, head in
      (0..<value).map { row in
        (0..<latent).reduce(0.0) {
          $0 + Double(attended[(token * heads + head) * latent + $1])
            * element(head, key + row, $1)
        }
      }
    }
    expectClose(values, expectedValues)
  }
}
