"""What people fill in about merchants and their members. Each error names the mend."""

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from tenants.members import Role, may_give
from tenants.models import Merchant
from tenants.models.merchant import Language
from tenants.names import check_name

ROLE_WORDS = {
    Role.OWNER: _("Owner"),
    Role.ADMIN: _("Admin"),
    Role.DEVELOPER: _("Developer"),
    Role.VIEWER: _("Viewer"),
}
ROLE_DEEDS = {
    Role.OWNER: _("Everything, and decides who the owners are."),
    Role.ADMIN: _("Everything but owners: members, policies, PortOne keys."),
    Role.DEVELOPER: _("Endpoints and keys of the shop's server."),
    Role.VIEWER: _("Sees everything, changes nothing."),
}


class MerchantForm(forms.Form):
    """A new merchant."""

    name = forms.CharField(
        label=_("Name of the shop"),
        help_text=_("Customers see it on the page after they paid."),
        max_length=Merchant._meta.get_field("name").max_length,
        validators=[check_name],
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
        error_messages={
            "required": _("Give the shop a name, as your customers know it."),
            "max_length": _("Give a name of at most 80 characters."),
        },
    )
    language = forms.ChoiceField(
        label=_("Language of the customers' page"),
        required=False,
        choices=[("", _("As the customer's browser asks")), *Language.choices],
    )


class RoleForm(forms.Form):
    """A role that somebody may give."""

    role = forms.ChoiceField(label=_("Role"))

    def __init__(self, *args: Any, giver: Role, **named: Any) -> None:
        super().__init__(*args, **named)
        given = [(role, words) for role, words in ROLE_WORDS.items() if may_give(giver, role)]
        cast("forms.ChoiceField", self.fields["role"]).choices = given
        self.fields["role"].error_messages["invalid_choice"] = _("Choose a role that you may give.")


class InvitationForm(RoleForm):
    """Somebody who is asked to join."""

    email = forms.EmailField(
        label=_("Email address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": _("Give the address of the person to invite."),
            "invalid": _("Give an address like name@shop.example.com."),
        },
    )
    field_order = ("email", "role")

    def __init__(self, *args: Any, giver: Role, **named: Any) -> None:
        super().__init__(*args, giver=giver, **named)
        self.fields["role"].initial = Role.VIEWER
