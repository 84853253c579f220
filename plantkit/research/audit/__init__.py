"""The leak audit: can a planted ticket be told from the rest by the weights alone?

An attacker who has only a network's initial parameters, no data, is trained on other networks
planted the same way, and is let loose on networks it never saw. It does not matter how networks
were planted:

    from plantkit.research.audit.assessment import audit_plantings
    from plantkit.research.audit.samples import Sample

    train = [Sample.of(plant(family, spec, seed=fresh_seed())) for _ in range(100)]
    test = [Sample.of(plant(family, spec, seed=fresh_seed())) for _ in range(50)]
    audit = audit_plantings(train, test)             # curve=() skips the learning curve
    audit.passed                                     # within `audit.limits`?
    audit.strongest.overall.auc                      # Estimate(value, low, high)
    audit.strongest.strata["layers.1.weight"].lift   # precision at k over chance
    audit.attacker("joint"), audit.features, audit.curve, audit.pooled

`Sample(spec=, parameters=, ticket=)` takes any mappings of parameter name to array; `Sample.of`
takes anything with these three attributes. Needs scikit-learn: `pip install "plantkit[audit]"`.
"""
