-- rpt_model: the fitted model, term by term, and what was dropped from it and why
-- grain: class, term
-- reads: model_terms
-- order: class, position
-- column class text: passive or detractor, each against promoter
-- column position integer: the term's place in the model, from 1
-- column term text: (intercept), a touchpoint or its state, or a covariate and its level
-- column coefficient float: log-odds that the term adds; null where it was dropped
-- column std_error float: its standard error, clustered as `analysis.cluster` says
-- column answers integer: answers for which the term holds
-- column note text: why the term was dropped, or that its estimate is penalised
-- column as_of timestamp: the end of the last day that the run looks at
select
    class,
    position,
    term,
    coefficient,
    std_error,
    answers,
    note,
    $as_of as as_of
from model_terms
