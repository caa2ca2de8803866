"""The paper's section 4 and what surrounds it, computed: every claim beside its closed form."""
